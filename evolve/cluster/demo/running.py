"""A demo cluster from nothing to ready, and its end."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.cluster.address import ClusterAddress, consul_address, nomad_address
from evolve.cluster.demo.agents import AgentProcess, port_for, start_consul, start_nomad, task_ports
from evolve.cluster.demo.jobs import JOBS
from evolve.cluster.demo.leftovers import end_processes_of, mount_small_disk, sweep_processes, unmount
from evolve.cluster.demo.readiness import get_ready, purge
from evolve.cluster.demo.state_file import DemoCluster, demo_folder, forget_demo
from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.system.atomic_files import write_whole
from evolve.system.cache_folder import make_cache_folder
from evolve.system.locks import locked
from evolve.system.process_owner import Owner

SCRATCH_MB = 4
_OWNER = "owner"
STOP_S = 5.0
"""How long an agent may take to end before it is killed."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How a demo cluster is started."""

    nomad_port: int = 4646
    """0 for any free one."""
    consul_port: int = 8500
    nomad_binary: str = ""
    """A real Nomad; empty for the stand-in."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A demo cluster that is ready, with the agents that were started for it."""

    demo: DemoCluster
    agents: tuple[AgentProcess, ...]
    nomad_note: str
    """What to know about its Nomad; empty for a real one."""

    def check(self) -> None:
        """Return if all agents run.

        Raises:
            ProcessFault: one has ended.
        """
        for agent in self.agents:
            agent.check()


@contextlib.contextmanager
def demo_cluster(options: DemoOptions, env: Mapping[str, str], say: Say) -> Iterator[RunningDemo]:
    """Hold a cluster that is ready: Consul has a leader, the jobs run, their services pass. At the end all is gone.

    Args:
        options: ports and programs.
        env: may name agents that run already, in NOMAD_ADDR and CONSUL_HTTP_ADDR.
        say: gets a line for each step.

    Raises:
        InputError: only one of the two addresses is given, or a job of another kind has a demo job's name.
        EnvironmentFault: another demo cluster runs, a port is taken, or something does not start.
    """
    given = _given(env)
    folder = make_cache_folder(demo_folder(env))
    with locked(folder / "lock", wait_s=0) as is_held:
        if not is_held:
            raise EnvironmentFault("a demo cluster runs already", hint="./bootstrap.sh cluster stop ends it")
        if swept := sweep(folder):
            say(f"ended {swept} processes that a killed demo cluster left")
        owner = str(Owner.current())
        write_whole(folder / _OWNER, owner)
        try:
            with contextlib.ExitStack() as agents:
                yield from _ready(options, given, owner, folder, say, agents)
        finally:
            end_processes_of(owner)
            sweep(folder)


def owner_of(folder: Path) -> Owner | None:
    """Return the process that started a demo cluster in the folder, whether or not it still runs."""
    file = folder / _OWNER
    return Owner.parse(file.read_text("utf-8")) if file.exists() else None


def sweep(folder: Path) -> int:
    """Remove what demo clusters left that were killed; return how many processes there were."""
    ended = sweep_processes()
    forget_demo(folder)
    unmount(folder / "scratch")
    for left in folder.iterdir() if folder.is_dir() else ():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != "lock":
            left.unlink()
    return ended


def _given(env: Mapping[str, str]) -> tuple[ClusterAddress, ClusterAddress] | None:
    """Agents that run already; None where both are to be started."""
    nomad, consul = nomad_address(env), consul_address(env)
    if (nomad is None) != (consul is None):
        text = "NOMAD_ADDR and CONSUL_HTTP_ADDR belong together: Nomad registers the jobs' services in its Consul"
        raise InputError(Problem(text, None, "set both, or neither to start a cluster of your own"))
    return (nomad, consul) if nomad is not None and consul is not None else None


def _ready(
    options: DemoOptions,
    given: tuple[ClusterAddress, ClusterAddress] | None,
    owner: str,
    folder: Path,
    say: Say,
    agents: contextlib.ExitStack,
) -> Iterator[RunningDemo]:
    """Yields the cluster once; then its jobs are purged.

    Args:
        options: ports and programs.
        given: agents that run already.
        owner: whose processes they are.
        folder: for files.
        say: gets a line for each step.
        agents: stops what is started.
    """
    started = [] if given else _started(options, owner, folder, say, agents)
    nomad, consul = given or (ClusterAddress(started[1].url), ClusterAddress(started[0].url))
    is_small = mount_small_disk(folder / "scratch", SCRATCH_MB)
    (folder / "backlogs").mkdir()
    demo = DemoCluster(secrets.token_hex(4), owner, nomad.url, consul.url, task_ports(JOBS), is_small, folder)
    try:
        asyncio.run(get_ready(demo, nomad, consul, started, say))
        demo.write()
        note = " (the stand-in: a test double, no orchestrator)" if started and not options.nomad_binary else ""
        yield RunningDemo(demo, tuple(started), note)
    finally:
        # The end has its own deadlines; a second Ctrl-C must not leave half of the cluster.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.run(purge(demo, nomad))


def _started(
    options: DemoOptions, owner: str, folder: Path, say: Say, agents: contextlib.ExitStack
) -> list[AgentProcess]:
    """Start Consul, then Nomad.

    Args:
        options: ports and programs.
        owner: whose processes they are.
        folder: for files.
        say: gets a line for each step.
        agents: stops them.
    """
    ports = port_for("Consul", options.consul_port), port_for("Nomad", options.nomad_port)
    say("starting Consul")
    consul = start_consul(folder, ports[0], owner)
    agents.callback(_stop, consul)
    say(f"starting {options.nomad_binary or 'the stand-in of Nomad'}")
    nomad = start_nomad(folder, ports[1], consul.url, owner, options.nomad_binary)
    agents.callback(_stop, nomad)
    return [consul, nomad]


def _stop(agent: AgentProcess) -> None:
    agent.process.terminate()
    try:
        agent.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        agent.process.kill()
        agent.process.wait()
