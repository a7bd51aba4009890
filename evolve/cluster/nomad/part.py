"""What the parts of the client share: a call in a namespace, a list in pages, a watch."""

from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

from evolve.cluster.blocking import Rate, Seen, Watch
from evolve.cluster.caller import Caller
from evolve.cluster.operations import ApiReply, Operation
from evolve.cluster.pages import all_pages
from evolve.core.model.json_value import JsonValue

T = TypeVar("T")
PER_PAGE = 200
"""Items of a page: some hundred KiB of allocations."""


class NomadPart:
    """The calls about one kind of thing, through a shared caller."""

    def __init__(self, caller: Caller, namespace: str) -> None:
        self._caller = caller
        self._namespace = namespace

    async def _ask(
        self,
        operation: Operation[T],
        query: Mapping[str, str | tuple[str, ...]] | None = None,
        body: JsonValue | bytes = None,
        **names: str,
    ) -> T:
        value, _ = await self._caller.ask(operation, names, query=self._query(query or {}), body=body)
        return value

    def _query(self, query: Mapping[str, str | tuple[str, ...]]) -> dict[str, str | tuple[str, ...]]:
        own = {"namespace": self._namespace} if self._namespace else {}
        return {**own, **query}

    def _pages(self, operation: Operation[tuple[T, ...]], query: Mapping[str, str]) -> AsyncIterator[T]:
        async def read(token: str) -> tuple[tuple[T, ...], ApiReply]:
            page = {"per_page": str(PER_PAGE), **({"next_token": token} if token else {})}
            return await self._caller.ask(operation, query=self._query({**query, **page}))

        return all_pages(read)

    def _watch(self, operation: Operation[T], names: Mapping[str, str], wait_s: float, rate: Rate | None) -> Watch[T]:
        async def read(index: int, seconds: float) -> Seen[T]:
            query = self._query({"index": str(index), "wait": f"{round(seconds * 1000)}ms"} if index else {})
            value, reply = await self._caller.ask(operation, names, query=query, wait_s=seconds if index else 0.0)
            return Seen(value, reply.index)

        return Watch(read, wait_s=wait_s, rate=rate)
