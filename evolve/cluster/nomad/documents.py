"""Answers of Nomad as they came: the diagnosis reads more of their fields than the typed values have."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from evolve.cluster.fields import Fields, JsonObject, many
from evolve.cluster.nomad import operations as ops
from evolve.cluster.nomad.part import NomadPart
from evolve.cluster.operations import ApiReply, Operation
from evolve.core.model.json_value import JsonValue

T = TypeVar("T")


class Documents(NomadPart):
    """What Nomad knows of one job, as JSON."""

    async def job(self, job: str) -> JsonObject:
        """Return a whole job; NotFound where it does not exist."""
        return await self._ask(_as(ops.JOB_READ, _one), job=job)

    async def versions(self, job: str) -> tuple[JsonObject, ...]:
        """Return the versions that Nomad keeps, the newest first."""
        return await self._ask(_as(ops.JOB_VERSIONS, _versions), job=job)

    async def allocations(self, job: str) -> tuple[JsonObject, ...]:
        """Return a job's allocations, also those that ended, with the states of their tasks."""
        return await self._ask(_as(ops.JOB_ALLOCATIONS, _many), job=job)

    async def evaluations(self, job: str) -> tuple[JsonObject, ...]:
        """Return a job's evaluations."""
        return await self._ask(_as(ops.JOB_EVALUATIONS, _many), job=job)

    async def deployment(self, job: str) -> JsonObject | None:
        """Return a job's newest deployment; None without one."""
        return await self._ask(_as(ops.JOB_DEPLOYMENT, _one_or_none), job=job)

    async def node(self, id: str) -> JsonObject:
        """Return a node with its resources."""
        return await self._ask(_as(ops.NODE_READ, _one), id=id)

    async def node_allocations(self, id: str) -> tuple[JsonObject, ...]:
        """Return the allocations of a node, also those that ended; only of namespaces that the token may read."""
        return await self._ask(_as(ops.NODE_ALLOCATIONS, _many), id=id)

    async def plan(self, spec: JsonObject) -> JsonObject:
        """Return what a register of this job would change; nothing is changed."""
        body: JsonValue = {"Job": dict(spec), "Diff": True}
        return await self._ask(_as(ops.JOB_PLAN, _one), body=body, job=str(spec.get("ID", "")))


def _as(operation: Operation[object], parse: Callable[[ApiReply], T]) -> Operation[T]:
    return replace(operation, parse=parse)  # type: ignore[return-value]  # replace() cannot know it


def _one(reply: ApiReply) -> JsonObject:
    return Fields(reply.json).raw


def _one_or_none(reply: ApiReply) -> JsonObject | None:
    value = reply.json
    return None if value is None else Fields(value).raw


def _many(reply: ApiReply) -> tuple[JsonObject, ...]:
    return tuple(one.raw for one in many(reply.json))


def _versions(reply: ApiReply) -> tuple[JsonObject, ...]:
    return tuple(one.raw for one in Fields(reply.json).many("Versions"))
