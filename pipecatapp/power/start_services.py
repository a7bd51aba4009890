"""What `start_services.sh` runs: the cluster's jobs and Home Assistant, started in order and waited for in Consul."""

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Sequence
from typing import Final

from evolve.cluster.address import consul_address, nomad_address
from evolve.cluster.caller import Patience
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.nomad.client import NomadClient
from evolve.core.model.errors import ExitCode, InputError, Problem
from pipecatapp.power.starting import Startable, Starter, StartOutcome, in_order, jobs_of
from pipecatapp.serving.commands import guarded

_HOME: Final = "home-assistant"
_DEFAULTS: Final = {"NOMAD_ADDR": "http://127.0.0.1:4646", "CONSUL_HTTP_ADDR": "http://127.0.0.1:8500"}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        "start_services.sh",
        description="Start the cluster's jobs in the order in which they need each other, and wait for each in Consul. "
        "NOMAD_ADDR, NOMAD_TOKEN, CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN say where the cluster is.",
    )
    found.add_argument(
        "--inventory",
        metavar="FILE",
        help="first start the units of its hosts, by heal_cluster.yaml; the script reads it",
    )
    found.add_argument("--wait", type=_seconds, default=300.0, metavar="SECONDS", help="for each service (300)")
    found.add_argument(
        "--home-assistant", default="", metavar="HOST:PORT", help="where Home Assistant listens; Consul then checks it"
    )
    return found


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0):
        raise argparse.ArgumentTypeError(f"expected seconds from 0 up, got {text!r}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0, 1 where something is not up, 2 and 4 as all commands."""
    given = parser().parse_args(arguments)
    with guarded("start_services.sh") as outcome:
        outcome.code = ExitCode.DONE if asyncio.run(_start(given)) else ExitCode.FAILURES
    return outcome.code


async def _start(given: argparse.Namespace) -> bool:
    env = {**_DEFAULTS, **{name: value for name, value in os.environ.items() if value}}
    nomad_at, consul_at = nomad_address(env), consul_address(env)
    assert nomad_at is not None
    assert consul_at is not None
    patience = Patience(read_tries=2)
    async with NomadClient(nomad_at, patience) as nomad, ConsulClient(consul_at, patience) as consul:
        others = await _home_assistant(consul, given.home_assistant)
        found = in_order((*others, *await jobs_of(nomad)))
        outcomes = await Starter(nomad, consul, wait_s=given.wait).start(found, _show)
    if not any(one.name == _HOME or _HOME in one.provides for one in found):
        print(f"{_HOME}: not looked for: no job runs it; --home-assistant HOST:PORT says where it listens")
    up = sum(one.is_up for one in outcomes)
    print(f"{up} of {len(outcomes)} are up")
    return up == len(outcomes)


async def _home_assistant(consul: ConsulClient, address: str) -> tuple[Startable, ...]:
    """Have Consul check Home Assistant, which systemd runs, where it does not know it yet."""
    if not address:
        known = await consul.catalog.service(_HOME)
        return (Startable(_HOME, (_HOME,), ()),) if any(one.id == _HOME for one in known) else ()
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(Problem(f"--home-assistant {address}: expected HOST:PORT, such as home-1:8123"))
    await consul.services.register({
        "ID": _HOME, "Name": _HOME, "Address": host.strip("[]"), "Port": int(port),
        "Check": {"Name": "it takes connections", "TCP": address, "Interval": "2s", "Timeout": "3s"},
    })  # fmt: skip
    return (Startable(_HOME, (_HOME,), ()),)


def _show(outcome: StartOutcome) -> None:
    print(f"{outcome.name}: {outcome.text}", flush=True)
    for hint in outcome.hints:
        print(f"  next: {hint}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
