"""`evolve supervise`: watches a Nomad cluster; failed jobs are diagnosed, healed within a policy, and learnt from."""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from evolve.adaptation.reflection_agent import DEFAULT_AGENT
from evolve.adaptation.worker import start_in_background
from evolve.cli._adaptation_options import CASES
from evolve.cli._guard import run_guarded
from evolve.cli._options import add_agent, add_cases, add_provider, complete, port, seconds, whole
from evolve.cli._parser import CommandParser, Example
from evolve.cli._supervisor_state import add_folder, kept_days, supervisor_folder
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.state_file import consul_or_demo, nomad_or_demo
from evolve.cluster.nomad.client import NomadClient
from evolve.core.adaptation.failures import PER_DAY, QueuedRequest
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.healing.digests import policy_hash
from evolve.core.healing.policy_file import read_policy
from evolve.core.model.actions import MODEL_ACTIONS
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.core.model.healing import AuditEvent, AuditRecord, HealingPolicy, JobRule, Mode
from evolve.core.model.provider_id import named_provider
from evolve.evaluation.agent_client import AgentClient, open_agent_client
from evolve.report.terminal import say
from evolve.store.adaptation_files import AdaptationFiles
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.case_files import CaseFolder
from evolve.store.case_writer import redactor_for
from evolve.store.retention import KEPT_DAYS, LEAST_DAYS
from evolve.supervision.claims import Claims
from evolve.supervision.fault_log import FaultLog
from evolve.supervision.healing import Healer
from evolve.supervision.learning import CaseLearner
from evolve.supervision.metrics import ADDRESS, Metrics, MetricsServer
from evolve.supervision.notices import Notices, Receiver, read_receiver
from evolve.supervision.proposing import AgentProposer
from evolve.supervision.reading import ClusterReader
from evolve.supervision.records import StoredRecords
from evolve.supervision.service import Rhythm, Service
from evolve.supervision.supervisor import Supervisor, Surroundings
from evolve.supervision.watching import JobWatch
from evolve.system.cache_folder import cache_folder
from evolve.system.disk_faults import reason_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise until SIGTERM or Ctrl-C, or once; return 0, 2 or 4."""
    options = parser().parse_args(arguments)
    policy, receivers = _read(options)
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_supervise(options, policy, receivers))
    return ExitCode.DONE


def _read(options: argparse.Namespace) -> tuple[HealingPolicy, list[Receiver]]:
    """The policy and who is called; every mistake of both at once."""
    problems: list[Problem] = []
    receivers: list[Receiver] = []
    policy = HealingPolicy((JobRule("*", Mode.SUGGEST, frozenset(MODEL_ACTIONS)),))
    for given in options.notify or os.environ.get("EVOLVE_NOTIFY", "").split():
        try:
            receivers.append(read_receiver(given))
        except InputError as error:
            problems += error.problems
    if options.policy:
        try:
            policy = read_policy(_text(options.policy), options.policy)
        except InputError as error:
            problems += error.problems
    elif options.mode == Mode.ACT:
        hint = "name a file that says which jobs and actions are allowed with --policy; docs/supervisor.md has one"
        problems.append(Problem("--mode act needs a policy", None, hint))
    if problems:
        raise InputError(problems)
    return policy, receivers


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot read: {reason_of(error)}", Location(name))) from None


async def _supervise(options: argparse.Namespace, policy: HealingPolicy, receivers: Sequence[Receiver]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _opened(options, policy, receivers) as (service, claims):
        if options.once:
            await service.once()
            if claims is not None:
                await claims.release()
            return
        async with contextlib.AsyncExitStack() as stack:
            if options.metrics_port is not None:
                server = await stack.enter_async_context(
                    MetricsServer(options.metrics_port, service.metrics_text, address=options.metrics_address)
                )
                _log(f"metrics: http://{options.metrics_address}:{server.port}/metrics")
            running = asyncio.ensure_future(service.run())
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            stopping.cancel()
            _log("ended; open incidents are kept: evolve incidents")


@contextlib.asynccontextmanager
async def _opened(
    options: argparse.Namespace, policy: HealingPolicy, receivers: Sequence[Receiver]
) -> AsyncIterator[tuple[Service, Claims | None]]:
    """A supervisor with all that it works with, closed at the end."""
    env = os.environ
    cache_dir = cache_folder(env)
    redactor = redactor_for(env, cache_dir)
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        if (nomad_at := nomad_or_demo(env)) is None:
            hint = "set NOMAD_ADDR, or start a cluster to try things on: ./bootstrap.sh cluster"
            raise InputError(Problem("no cluster to watch", None, hint))
        nomad = await stack.enter_async_context(NomadClient(nomad_at))
        everywhere = await stack.enter_async_context(nomad.within("*"))
        address = consul_or_demo(env)
        consul = await stack.enter_async_context(ConsulClient(address)) if address is not None else None
        client = open_agent_client(options.agent, options.provider)
        stack.push_async_callback(client.close)
        records = stack.enter_context(contextlib.closing(StoredRecords(supervisor_folder(options, env), redactor)))
        queue = stack.enter_context(contextlib.closing(AdaptationQueue(AdaptationFiles(cache_dir).folder)))
        notices = Notices(receivers, _log)
        stack.push_async_callback(notices.close)
        reader = ClusterReader(nomad, consul)
        stack.push_async_callback(reader.close)
        claims = _claims(consul, reader, records, options.cluster)
        if claims is None:
            _log("CONSUL_HTTP_ADDR is not set: without Consul there are no claims, and nothing is changed")
        healer = Healer(reader, claims, records, time.time, _log)
        learner = CaseLearner(
            client,
            _queued(options, client, env),
            queue,
            CaseFolder(options.cases),
            redactor,
            may_write=lambda job: records.count_case(job, _today()) <= policy.limits.cases_per_day,
            start=lambda: _start_evolution(client, cache_dir),
            report=_log,
        )
        around = Surroundings(
            reader,
            healer,
            records,
            AgentProposer(client, redactor),
            learner,
            notices,
            redactor,
            time.time,
            random.random,
        )
        supervisor = Supervisor(policy, Mode(options.mode), around)
        faults = FaultLog(metrics, _log, time.monotonic)
        watch = JobWatch(
            everywhere,
            time.monotonic,
            faults.note,
            lambda: _note_answer(metrics, faults, nomad_at.url),
        )
        service = Service(
            supervisor,
            watch,
            claims,
            records,
            notices,
            metrics,
            clock=time.time,
            rhythm=Rhythm(options.every, keep_days=options.keep_days),
            note_fault=faults.note,
            note_lock=lambda: faults.end("Consul", address.url if address is not None else ""),
        )
        details = {"mode": options.mode, "policy": policy_hash(policy), "agent": client.agent.title}
        records.append(AuditRecord(AuditEvent.STARTED, time.time(), details=details))
        _log(f"supervising {nomad_at.url} as {options.mode}, asked: {client.agent.title} on {client.provider_id}")
        yield service, claims


def _claims(
    consul: ConsulClient | None, reader: ClusterReader, records: StoredRecords, cluster: str | None
) -> Claims | None:
    """The lock and the claims of this cluster; None without Consul."""

    async def named() -> str:
        return cluster or await reader.region()

    name = f"{socket.gethostname()}:{os.getpid()}"
    return Claims(consul, name, named, owner=records.owner) if consul is not None else None


def _queued(options: argparse.Namespace, client: AgentClient, env: Mapping[str, str]) -> QueuedRequest:
    request = EvolutionRequest(
        agent=str(client.file.resolve()),
        provider=named_provider(options.provider, env),
        reflector=env.get("EVOLVE_REFLECTOR") or None,
    )
    return QueuedRequest(request, str(Path(options.cases).resolve()), str(Path.cwd()))


def _start_evolution(client: AgentClient, cache_dir: Path) -> None:
    module = "evolve.cli.adaptation_manager"
    pid, log = start_in_background(
        AdaptationFiles(cache_dir), str(client.file.resolve()), module=module, per_day=PER_DAY
    )
    _log(f"evolving {client.agent.title} in the background: process {pid}, log {log}")


def _note_answer(metrics: Metrics, faults: FaultLog, nomad: str) -> None:
    metrics.answered_at = time.time()
    faults.end("Nomad", nomad)


def _log(line: str) -> None:
    say([f"{time.strftime('%H:%M:%S')} {line}"], sys.stderr)
    sys.stderr.flush()


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve supervise",
        description="Watch a Nomad cluster: a failed job is diagnosed, an agent proposes an action, and code decides "
        "whether it may be done, does it once, verifies it, and undoes it when it did not help.",
        examples=(
            Example("evolve supervise", "suggest: plans wait for `evolve approve`"),
            Example("evolve supervise --mode observe --once", "one look, nothing is changed"),
            Example("evolve supervise --mode act --policy policy.yaml", "heal what the policy allows"),
        ),
        notes="The cluster is NOMAD_ADDR and CONSUL_HTTP_ADDR, or that of `./bootstrap.sh cluster`. "
        "exit codes: 0 ended, 2 wrong input, 4 the cluster or the endpoint. See docs/supervisor.md.",
    )
    add = made.add_argument
    add("--mode", choices=[*map(str, Mode)], default="suggest", help="how far to go at most; default suggest")
    complete(add("--policy", metavar="FILE", help="which jobs may have which actions; needed for --mode act"), "file")
    add("--once", action="store_true", help="look once at everything that is not well, and end")
    add(
        "--every",
        type=seconds,
        default=2.0,
        metavar="S",
        help="seconds between looks at what is healed; default 2",
    )
    text = f"delete incidents that ended so many days ago, {LEAST_DAYS} or more; 0 keeps all; default {KEPT_DAYS}"
    add("--keep-days", type=_days, default=KEPT_DAYS, metavar="N", help=text)
    add_agent(made, f"the agent to ask; default {DEFAULT_AGENT}", default=DEFAULT_AGENT)
    add_provider(made)
    add_cases(made, f"the folder of failure cases; default {CASES}", default=CASES)
    add_folder(made)
    text = "the Nomad cluster's name, where several of one region share a Consul; the same for all its supervisors; "
    add("--cluster", type=_name, metavar="NAME", help=text + "default: its region")
    text = (
        "call people: webhook:URL, ntfy:URL or alertmanager:URL; may be given several times; default: EVOLVE_NOTIFY, "
    )
    text += "where blanks separate them, for addresses that are secrets"
    add("--notify", action="append", default=[], metavar="KIND:URL", help=text)
    text = "serve Prometheus metrics on this port; 0 for a free one"
    add("--metrics-port", type=port, metavar="PORT", help=text)
    text = f"the address of this host that serves them, without a password; default {ADDRESS}"
    add("--metrics-address", default=ADDRESS, metavar="HOST", help=text)
    return made


def _days(text: str) -> int:
    return whole(text) and kept_days(text)


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a name, got an empty one")
    return text


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
