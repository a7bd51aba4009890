"""Reads all that a diagnosis needs of one job, out of Nomad and Consul."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault, NotFound
from evolve.cluster.nomad.client import NomadClient
from evolve.core.healing.node_memory import reserved_mb
from evolve.core.incidents.allocation_state import current, failed_task
from evolve.core.incidents.dependencies import dependencies_of
from evolve.core.incidents.diagnosis import diagnose
from evolve.core.incidents.reading import text
from evolve.core.model.incidents import JobAnswers, JsonFields, TaskLogs
from evolve.core.text.inert_text import clean_tail
from evolve.supervision.check_reading import read_checks

_LOG_BYTES = 64 * 1024
"""Of each stream. The agent reads a few kilobytes; the rest is for the lines around the fault."""


class ClusterReader:
    """Reads jobs.

    Args:
        nomad: a client whose token may read jobs, and logs where they are to be read.
        consul: has the state of services that a job depends on; None without Consul.
        now_ns: the time as Nomad counts it, in nanoseconds since 1970.
    """

    def __init__(
        self, nomad: NomadClient, consul: ConsulClient | None, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._nomad, self.consul, self._now_ns = nomad, consul, now_ns
        self._of_namespace: dict[str, NomadClient] = {}

    def within(self, namespace: str) -> NomadClient:
        """Return the client of a namespace; all of one namespace share connections."""
        if namespace not in self._of_namespace:
            self._of_namespace[namespace] = self._nomad.within(namespace)
        return self._of_namespace[namespace]

    async def close(self) -> None:
        """Close the clients of the namespaces."""
        for client in self._of_namespace.values():
            await client.close()
        self._of_namespace.clear()

    async def region(self) -> str:
        """Return the name of the cluster's region.

        Raises:
            ClusterFault: Nomad does not answer, or the token lacks `agent: read`.
        """
        return (await self._nomad.agent.self()).region

    async def read(self, namespace: str, job: str) -> JobAnswers:
        """Return what Nomad answers about a job: enough to say whether it failed.

        Raises:
            ClusterFault: Nomad does not answer.
        """
        ask = self.within(namespace).documents
        # Before the questions: what happens between two of them is then younger than the answers' time.
        now = self._now_ns()
        try:
            whole = await ask.job(job)
        except NotFound:
            return JobAnswers(None, now)
        return JobAnswers(
            whole,
            now,
            await ask.allocations(job),
            await ask.evaluations(job),
            await ask.deployment(job),
            await ask.versions(job),
        )

    async def read_around(self, namespace: str, answers: JobAnswers) -> JobAnswers:
        """Return the answers with the logs of the failed allocation, its node, and the state of what the job needs.

        What cannot be read is left out.
        """
        failed = diagnose(answers).failed
        wanted = failed.key.allocation if failed is not None else ""
        one = next((one for one in answers.allocations if wanted and text(one, "ID") == wanted), None)
        with suppress(ClusterFault):
            answers = replace(answers, checks=await self._checks(namespace, answers, [one] if one is not None else []))
        return replace(
            answers,
            node=await self._node(namespace, one),
            logs=await self._logs(namespace, one),
            dependencies=await self._dependencies(answers.job or {}),
        )

    async def read_checks(self, namespace: str, answers: JobAnswers) -> JobAnswers:
        """Return the answers with the checks of all that runs. Nomad heeds them only while it deploys.

        Raises:
            ClusterFault: somebody does not answer. Where the token lacks the right, and of a node that is gone, there
                are none.
        """
        running = [one for one in current(answers) if text(one, "ClientStatus") == "running"]
        return replace(answers, checks=await self._checks(namespace, answers, running))

    async def node_reserved_mb(self, node: str, allocation: str, task: str) -> int:
        """Return what a node has promised to others than this task, in MiB; 0 where that cannot be read."""
        try:
            return reserved_mb(await self._nomad.documents.node_allocations(node), allocation, task) if node else 0
        except ClusterFault:
            return 0

    async def other_nodes(self, node: str) -> int:
        """Return how many nodes but this one, given by its name, could take a job; 0 where that cannot be read."""
        try:
            nodes = await self._nomad.nodes.list()
        except ClusterFault:
            return 0
        return sum(one.status == "ready" and one.eligibility == "eligible" and one.name != node for one in nodes)

    async def _checks(
        self, namespace: str, answers: JobAnswers, allocations: Sequence[JsonFields]
    ) -> tuple[JsonFields, ...]:
        return await read_checks(self.within(namespace), self.consul, answers.job or {}, allocations)

    async def _node(self, namespace: str, one: JsonFields | None) -> JsonFields | None:
        if one is None or not text(one, "NodeID"):
            return None
        try:
            return await self.within(namespace).documents.node(text(one, "NodeID"))
        except ClusterFault:
            return None

    async def _logs(self, namespace: str, one: JsonFields | None) -> Mapping[tuple[str, str], TaskLogs]:
        if one is None or not (task := failed_task(one)[0]):
            return {}
        allocation = text(one, "ID")
        logs = {}
        for stream in ("stdout", "stderr"):
            try:
                part = await self.within(namespace).allocations.tail(allocation, task, stream, _LOG_BYTES)
            except ClusterFault:
                continue  # not started, collected, on a node that is gone, or a token without the right
            logs[stream] = clean_tail(part.text)
        return {(allocation, task): TaskLogs(logs.get("stdout", ""), logs.get("stderr", ""))}

    async def _dependencies(self, job: JsonFields) -> Mapping[str, str]:
        if self.consul is None:
            return {}
        states = {}
        for name in dependencies_of(job):
            try:
                states[name] = await service_state(self.consul, name)
            except ClusterFault:
                continue
        return states


async def service_state(consul: ConsulClient, name: str) -> str:
    """Return `passing` where an instance of the service passes all its checks, else `critical`, or `absent`."""
    if await consul.health.service(name, passing=True):
        return "passing"
    return "critical" if await consul.health.service(name) else "absent"


async def state_of_dependency(consul: ConsulClient, name: str, job: JsonFields) -> str:
    """Return the state of a service that a job is to wait for, as `service_state` does.

    A name that the job does not declare may come from a log, and a log's words are in no request: Consul is asked for
    what it knows, and then for its own name. A service without any check is not found so.
    """
    if name in dependencies_of(job):
        return await service_state(consul, name)
    host = name.lower()
    meant = {host, host.removesuffix(".service.consul")}
    known = {check.service_name for check in await consul.health.in_state("any")}
    found = next((one for one in sorted(known) if one.lower() in meant), "")
    return await service_state(consul, found) if found else "absent"
