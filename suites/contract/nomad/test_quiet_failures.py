"""A failed allocation rests: nothing changes it as long as nobody acts."""

import asyncio

from evolve.cluster.nomad.client import NomadClient
from fixtures.nomad_contract import a_job, eventually


def test_a_failed_allocation_is_not_modified_again(run):
    async def scenario(nomad: NomadClient) -> None:
        spec = a_job("exit 1")
        await nomad.jobs.register(spec)

        async def failed():
            found = [one for one in await nomad.jobs.allocations(spec["ID"]) if one.client_status == "failed"]
            deployment = await nomad.jobs.deployment(spec["ID"])
            return found[0] if found and deployment is not None and not deployment.is_active else None

        first = await eventually(failed, "the allocation failed, and so did its deployment")
        # That nothing happens shows only after a while: the node repeats what it knows several times a second.
        await asyncio.sleep(2)
        again = await failed()
        assert (again.id, again.modify_time_ns) == (first.id, first.modify_time_ns)

    run(scenario)
