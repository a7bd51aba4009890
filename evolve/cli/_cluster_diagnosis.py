"""What `evolve doctor` says of Nomad and Consul: whether they answer, who we are there, and what we may do."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from evolve.cli._diagnosis import Diagnosis
from evolve.cluster.address import ClusterAddress
from evolve.cluster.caller import Patience
from evolve.cluster.demo.state_file import consul_or_demo, nomad_or_demo
from evolve.cluster.rights import ClusterRights, consul_rights, nomad_rights
from evolve.core.model.errors import EvolveError

_PATIENCE = Patience(connect_s=3.0, read_s=7.0, read_tries=1)
"""A server without a leader takes 5 s to say so."""


def nomad_diagnosis(env: Mapping[str, str]) -> Diagnosis:
    """Return what of Nomad can be used."""
    return _diagnosis("Nomad", "NOMAD_ADDR", lambda: nomad_or_demo(env), _ask_nomad)


def consul_diagnosis(env: Mapping[str, str]) -> Diagnosis:
    """Return what of Consul can be used."""
    return _diagnosis("Consul", "CONSUL_HTTP_ADDR", lambda: consul_or_demo(env), _ask_consul)


def _diagnosis(
    name: str,
    variable: str,
    find: Callable[[], ClusterAddress | None],
    ask: Callable[[ClusterAddress], Coroutine[Any, Any, ClusterRights]],
) -> Diagnosis:
    try:
        if (address := find()) is None:
            return Diagnosis(name, "absent", f"not set; {variable} names an agent")
        found = asyncio.run(ask(address))
    except EvolveError as exc:
        return Diagnosis(name, "missing", str(exc))
    return Diagnosis(name, "ok" if found.given else "missing", _detail(address, found))


def _detail(address: ClusterAddress, found: ClusterRights) -> str:
    parts = [f"{address.url} {found.version}".rstrip(), found.identity]
    if found.given:
        parts.append(f"may {', '.join(found.given)}")
    if found.missing:
        lacks = "; ".join(f"{right.use} ({right.needs})" for right in found.missing)
        parts.append(f"may not {lacks}; docs/cluster-rights.md has the policies")
    return "; ".join(parts)


async def _ask_nomad(address: ClusterAddress) -> ClusterRights:
    from evolve.cluster.nomad.client import NomadClient

    async with NomadClient(address, _PATIENCE) as nomad:
        return await nomad_rights(nomad)


async def _ask_consul(address: ClusterAddress) -> ClusterRights:
    from evolve.cluster.consul.client import ConsulClient

    async with ConsulClient(address, _PATIENCE) as consul:
        return await consul_rights(consul)
