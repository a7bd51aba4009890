"""Reads the results of health checks: Nomad has those of its own services, Consul all others."""

from collections.abc import Sequence
from contextlib import suppress

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import Denied, NodeGone, NotFound
from evolve.cluster.nomad.client import NomadClient
from evolve.core.incidents.declared_checks import CONSUL, NOMAD, check_providers
from evolve.core.incidents.reading import text
from evolve.core.model.incidents import JsonFields
from evolve.core.text.inert_text import clean_tail

_OUTPUT_LIMIT = 2000
"""Characters. A check repeats the page that it got."""


async def read_checks(
    nomad: NomadClient, consul: ConsulClient | None, job: JsonFields, allocations: Sequence[JsonFields]
) -> tuple[JsonFields, ...]:
    """Return the checks of some allocations, each with `name`, `status` and `output`; of Consul's, those that fail.

    Args:
        nomad: of the job's namespace.
        consul: None without Consul.
        job: declares the checks. Nobody is asked about those that it does not have.
        allocations: which run.

    Raises:
        ClusterFault: somebody does not answer. Without the right to read them, and on a node that is gone, there are
            none.
    """
    providers = check_providers(job)
    found: list[JsonFields] = []
    for one in allocations if NOMAD in providers else ():
        with suppress(Denied, NotFound, NodeGone):
            results = await nomad.allocations.checks(text(one, "ID"))
            found += [_check(result.name, result.status, result.output) for result in results]
    if CONSUL in providers and consul is not None and allocations:
        # One call for all: names of services may contain what only the node knows.
        owners = tuple(f"_nomad-task-{text(one, 'ID')}-" for one in allocations)
        with suppress(Denied):
            failing = await consul.health.in_state("critical")
            found += [_check(one.name, one.status, one.output) for one in failing if one.service_id.startswith(owners)]
    return tuple(found)


def _check(name: str, status: str, output: str) -> JsonFields:
    return {"name": name, "status": status, "output": clean_tail(output, _OUTPUT_LIMIT)}
