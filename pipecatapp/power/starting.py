"""Starts the jobs of a cluster in the order in which they need each other, and waits for their services in Consul."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault, Denied, LostRace, Rejected
from evolve.cluster.fields import JsonObject
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.jobs import Job
from evolve.core.incidents.dependencies import dependencies_of
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from pipecatapp.core.activators import ACTIVATOR_PREFIX

_POLL_S: Final = 0.5
_TYPES: Final = ("service", "system")


@dataclass(frozen=True, slots=True)
class StartableGroup:
    """A group of a job."""

    name: str
    services: tuple[str, ...]
    is_asleep: bool
    """Whether its count is 0."""


@dataclass(frozen=True, slots=True)
class Startable:
    """A job, or a program that no job runs."""

    name: str
    provides: tuple[str, ...]
    """Its services in Consul."""
    needs: tuple[str, ...]
    job: Job | None = field(default=None, repr=False)
    groups: tuple[StartableGroup, ...] = ()
    """Of the job."""

    @property
    def awake(self) -> tuple[StartableGroup, ...]:
        """The groups that are to run."""
        return tuple(one for one in self.groups if not one.is_asleep)

    @property
    def expected(self) -> tuple[str, ...]:
        """The services that have to pass: those of groups whose count is 0 cannot."""
        asleep = {name for one in self.groups if one.is_asleep for name in one.services}
        return tuple(name for name in self.provides if name not in asleep)


@dataclass(frozen=True, slots=True)
class StartOutcome:
    """What came of one."""

    name: str
    is_up: bool
    text: str
    hints: tuple[str, ...] = ()
    """Commands that show more, or help."""


def startable(job: Job) -> Startable:
    """Return a job with what it provides and needs."""
    groups = tuple(_group(one, job.type) for one in _objects(job.spec.get("TaskGroups")))
    names = {name for one in groups for name in one.services}
    return Startable(job.id, tuple(sorted(names)), dependencies_of(job.spec), job, groups)


def _group(group: JsonObject, job_type: str) -> StartableGroup:
    parts = [group, *_objects(group.get("Tasks"))]
    names = {str(service.get("Name")) for part in parts for service in _objects(part.get("Services"))}
    is_asleep = job_type == "service" and group.get("Count") == 0
    return StartableGroup(str(group.get("Name")), tuple(sorted(names)), is_asleep)


def in_order(found: Sequence[Startable]) -> tuple[Startable, ...]:
    """Return what is needed before what needs it.

    Raises:
        InputError: some need each other in a circle.
    """
    providers = {service: one for one in found for service in one.provides}
    by_name = {one.name: one for one in found}
    graph = {
        one.name: sorted({providers[need].name for need in one.needs if need in providers} - {one.name})
        for one in found
    }
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as exc:
        circle = " -> ".join(str(name) for name in exc.args[1])
        hint = "remove one of them from the Meta key depends_on or the mesh upstreams of its job"
        raise InputError(Problem(f"these jobs need each other in a circle: {circle}", None, hint)) from exc


async def jobs_of(nomad: NomadClient) -> tuple[Startable, ...]:
    """Return the jobs that are to run all the time: no batch, periodic or parameterized ones."""
    found = []
    async for stub in nomad.jobs.list():
        is_parent = stub.is_periodic or stub.is_parameterized or bool(stub.parent_id)
        if stub.type in _TYPES and not is_parent:
            found.append(startable(await nomad.jobs.read(stub.id)))
    return tuple(found)


class Starter:
    """Starts things once each, as soon as what they need is up."""

    def __init__(
        self, nomad: NomadClient, consul: ConsulClient, *, wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start nothing yet.

        Args:
            nomad: whose jobs they are.
            consul: who knows which services pass.
            wait_s: how long each may take.
            clock: seconds that never go back.
        """
        self._nomad = nomad
        self._consul = consul
        self._wait_s = wait_s
        self._clock = clock
        self._running: dict[str, asyncio.Task[StartOutcome]] = {}

    async def start(self, found: Sequence[Startable], tell: Callable[[StartOutcome], None]) -> tuple[StartOutcome, ...]:
        """Start all of them; return what came of each, in their order.

        Args:
            found: in an order in which nothing comes before what it needs.
            tell: gets each outcome when it is known.
        """
        providers = {service: one.name for one in found for service in one.provides}

        async def report(one: Startable) -> StartOutcome:
            outcome = await self._bring_up(one, providers)
            tell(outcome)
            return outcome

        for one in found:
            self._running[one.name] = asyncio.create_task(report(one))
        return tuple(await asyncio.gather(*self._running.values()))

    async def _bring_up(self, one: Startable, providers: dict[str, str]) -> StartOutcome:
        for need in one.needs:
            provider = providers.get(need)
            if provider is not None and provider != one.name:
                if not (await self._running[provider]).is_up:
                    return StartOutcome(one.name, is_up=False, text=f"not started: it needs {need}, which is not up")
            elif provider is None and not await self._passes_in_time((need,)):
                text = f"not started: it needs {need}, which no job provides and which does not pass in Consul"
                return StartOutcome(one.name, is_up=False, text=text, hints=(self._checks_of(need),))
        try:
            return await self._start(one)
        except (Denied, Rejected) as fault:
            return StartOutcome(one.name, is_up=False, text=f"not started: {fault.message}")

    async def _start(self, one: Startable) -> StartOutcome:
        began = self._clock()
        if one.job is not None and (one.job.is_stopped or not await self._is_up(one)):
            await self._have_it_run(one.job)
        if hints := [hint for group in one.groups if group.is_asleep for hint in await self._wake_hints(one, group)]:
            text = "its count is 0, and no activator wakes it"
            return StartOutcome(one.name, is_up=False, text=text, hints=tuple(hints))
        if one.groups and not one.awake:
            return StartOutcome(one.name, is_up=True, text="asleep: it wakes when somebody connects")
        if await self._in_time(lambda: self._is_up(one)):
            took_s = self._clock() - began
            return StartOutcome(one.name, is_up=True, text="up" if took_s < 1 else f"up after {took_s:.0f} s")
        return await self._not_up(one)

    async def _is_up(self, one: Startable) -> bool:
        if one.expected or not one.awake:
            return await self._passes(one.expected)
        found = await self._nomad.jobs.allocations(one.name)
        return any((alloc.desired_status, alloc.client_status) == ("run", "running") for alloc in found)

    async def _wake_hints(self, one: Startable, group: StartableGroup) -> tuple[str, ...]:
        """Return what to type for a group that sleeps and that no activator wakes."""
        if not group.services and one.awake:  # nobody misses it
            return ()
        for service in group.services:
            if await self._consul.health.service(f"{ACTIVATOR_PREFIX}{service}", passing=True):
                return ()
        which = f" {group.name}" if len(one.groups) > 1 else ""
        return (f"nomad job scale {one.name}{which} 1",)

    async def _have_it_run(self, job: Job) -> None:
        """Start a job again that somebody stopped, or that Nomad gave up; one that is starting is left alone."""
        if job.is_stopped:
            try:
                await self._nomad.jobs.register({**job.spec, "Stop": False}, if_index=job.job_modify_index)
            except LostRace:  # somebody else has started or changed it
                return
        elif job.status == "dead":
            await self._nomad.jobs.evaluate(job.id, force_reschedule=True)

    async def _passes(self, services: Iterable[str]) -> bool:
        return all([bool(await self._consul.health.service(name, passing=True)) for name in services])

    async def _passes_in_time(self, services: tuple[str, ...]) -> bool:
        return await self._in_time(lambda: self._passes(services))

    async def _in_time(self, look: Callable[[], Awaitable[bool]]) -> bool:
        deadline = self._clock() + self._wait_s
        while True:
            try:
                if await look():
                    return True
            except ClusterFault:
                if self._clock() > deadline:
                    raise
            if self._clock() > deadline:
                return False
            await asyncio.sleep(_POLL_S)

    async def _not_up(self, one: Startable) -> StartOutcome:
        why = [*(await self._placement_problems(one)), *(await self._failed_checks(one))]
        missing = [name for name in one.expected if not await self._passes((name,))]
        what = f"{', '.join(missing)} does not pass" if one.expected else "none of its allocations runs"
        text = f"not up within {self._wait_s:g} s: {what}"
        hints = [self._checks_of(name) for name in missing]
        if one.job is not None:
            hints.insert(0, f"nomad job status {one.name}")
        return StartOutcome(one.name, is_up=False, text="; ".join((text, *why)), hints=tuple(hints))

    async def _placement_problems(self, one: Startable) -> list[str]:
        if one.job is None:
            return []
        evaluations = await self._nomad.jobs.evaluations(one.name)
        newest = max(evaluations, key=lambda found: found.create_index, default=None)
        problems = []
        for group, failure in (newest.failures if newest else {}).items():
            lacks = ", ".join((*failure.exhausted, *failure.constraints)) or "no node is there"
            problems.append(f"no node can take {group} ({lacks})")
        return problems

    async def _failed_checks(self, one: Startable) -> list[str]:
        found = [check for name in one.expected for check in await self._consul.health.checks(name)]
        return [
            f"check {check.name}: {check.output.strip().splitlines()[0] if check.output.strip() else check.status}"
            for check in found
            if check.status != "passing"
        ]

    def _checks_of(self, service: str) -> str:
        return f"curl {self._consul.url}/v1/health/checks/{service}"


def _objects(value: JsonValue) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
