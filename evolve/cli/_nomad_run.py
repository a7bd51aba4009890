"""`evolve --executor nomad`: the request is dispatched to Nomad, and its child is followed on this console."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace

from evolve.cli._guard import INTERRUPTED
from evolve.cluster.demo.state_file import nomad_or_demo
from evolve.cluster.nomad.client import NomadClient
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.provider_id import named_provider
from evolve.executors.nomad_job import Follower, JobEnding, NomadEvolution
from evolve.report.terminal import say


def run_on_nomad(request: EvolutionRequest, folder: str, env: Mapping[str, str], *, prints_json: bool) -> int:
    """Run a request as a job of Nomad; return the exit code of the program there.

    Args:
        request: what to evolve; relative paths begin in the folder.
        folder: on the node.
        env: names the cluster, and who answers where the request does not.
        prints_json: whether the result is printed as JSON.

    Raises:
        InputError: no cluster is named, or the request is too large.
        EnvironmentFault: the cluster has no such job, or the job did not end by itself.
    """
    address = nomad_or_demo(env)
    if address is None:
        raise InputError(Problem("no cluster to run on", None, "set NOMAD_ADDR, and NOMAD_TOKEN where it asks for one"))
    # The node's own environment names other providers.
    asked = replace(request, provider=named_provider(request.provider, env))

    async def run() -> JobEnding:
        async with NomadClient(address) as nomad:
            return await NomadEvolution(nomad, asked, folder=folder, prints_json=prints_json).run(
                Follower(lambda line: say([f"evolve: {line}"], sys.stderr), _copy_to_stderr)
            )

    try:
        ending = asyncio.run(run())
    except KeyboardInterrupt:
        say(["evolve: the job goes on; the same command follows it again"], sys.stderr)
        return INTERRUPTED
    sys.stdout.write(ending.stdout)
    return ending.code


def _copy_to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
