"""The event stream: lines of JSON, resumed where they broke off, and never trusted alone.

Events can be lost: the server's buffer is finite, a restart empties it, and an index that is too old starts at the
oldest event without a word. So the feed also says when the lists should be read: at the start, after each reconnection,
when an index went backwards, and once in a while. A stream that the token may not read is a silent 200; otherwise the
first line comes at once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from evolve.cluster.faults import ClusterFault, Denied, Garbled, NoAnswer
from evolve.cluster.fields import Fields, WrongShape

_LONGEST_LINE = 16_000_000
"""Bytes. A line holds one state's changes; an endless one must not fill the memory."""


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One change, as the stream has it."""

    topic: str
    """`Job`, `Allocation`, `Evaluation`, `Deployment`, `Node` and others."""
    type: str
    key: str
    namespace: str
    index: int
    payload: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadLists:
    """The lists should be read now, because events may be missing."""

    why: str
    fault: ClusterFault | None = None
    """What ended the stream, if it did."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Times of the stream, in seconds. Tests set clock and sleep."""

    first_line_s: float = 5.0
    """The first line comes at once; after this time the token lacks the right."""
    silence_s: float = 45.0
    """The heartbeat of a quiet stream comes every 30 s."""
    lists_every_s: float = 60.0
    first_pause_s: float = 1.0
    max_pause_s: float = 30.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


Connect = Callable[[Mapping[str, str | tuple[str, ...]]], AbstractAsyncContextManager[AsyncIterator[bytes]]]


class EventFeed:
    """Follows the stream for ever, over all its faults; iterate over `items`."""

    def __init__(self, connect: Connect, topics: tuple[str, ...], limits: StreamLimits | None = None) -> None:
        """Make a feed that is not connected yet.

        Args:
            connect: opens the stream with the given query.
            topics: such as `Job:*` or `Allocation:web`.
            limits: times.
        """
        self._connect = connect
        self._topics = topics
        self._limits = limits or StreamLimits()
        self._index = 0
        self._of_index: set[tuple[str, str, str]] = set()

    async def items(self) -> AsyncIterator[ClusterEvent | ReadLists]:
        """Yield events, and each time when the lists should be read; it never ends by itself and raises no fault."""
        failures, why, fault = 0, "start", None
        while True:
            yield ReadLists(why, fault)
            try:
                async for item in self.once():
                    failures = 0
                    yield item
                fault = None
            except ClusterFault as exc:
                fault = exc
            why = f"the stream ended: {type(fault).__name__}" if fault else "the stream ended"
            failures += 1
            await self._limits.sleep(min(self._limits.max_pause_s, self._limits.first_pause_s * 2.0 ** (failures - 1)))

    async def opened(self) -> None:
        """Wait for the first line of one connection; raise Denied when it does not come."""
        async with self._connect({"topic": self._topics}) as chunks:
            await anext(self._lines(chunks))

    async def once(self) -> AsyncIterator[ClusterEvent | ReadLists]:
        """Yield what one connection brings, until it ends; raise Denied when its first line does not come."""
        query: dict[str, str | tuple[str, ...]] = {"topic": self._topics}
        if self._index:
            query["index"] = str(self._index)
        async with self._connect(query) as chunks:
            async for line in self._lines(chunks):
                for item in [] if line is None else self._events(line):
                    yield item
                if line is None:
                    yield ReadLists("time")

    async def _lines(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Fields | None]:
        """Yield the lines, and None whenever the lists are due; the last, cut line of a lost connection is dropped."""
        limits, buffer = self._limits, b""
        due_at, is_first = limits.clock() + limits.lists_every_s, True
        heard_at = limits.clock()
        waiting: asyncio.Future[bytes] | None = None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(_next(chunks))
                silence = limits.first_line_s if is_first else limits.silence_s
                left = min(heard_at + silence, due_at) - limits.clock()
                done, _ = await asyncio.wait({waiting}, timeout=max(0.0, left))
                if done:
                    chunk, waiting = waiting.result(), None
                    if not chunk and is_first:
                        raise NoAnswer("event stream: closed before its first line", call="event stream")
                    if not chunk:
                        return
                    heard_at, is_first = limits.clock(), False
                    *whole, buffer = (buffer + chunk).split(b"\n")
                    for line in filter(bytes.strip, whole):
                        yield _parsed(line)
                    if len(buffer) > _LONGEST_LINE:
                        raise Garbled("the event stream sends a line without an end", call="event stream")
                elif limits.clock() >= due_at:
                    due_at = limits.clock() + limits.lists_every_s
                    yield None
                elif limits.clock() >= heard_at + silence:
                    raise _silent(is_first, silence)
        finally:
            if waiting is not None:
                waiting.cancel()

    def _events(self, line: Fields) -> list[ClusterEvent | ReadLists]:
        if not line.has("Index"):
            return []  # {} is the heartbeat
        index = line.number("Index")
        found: list[ClusterEvent | ReadLists] = []
        if index < self._index:
            found.append(ReadLists("the index went backwards"))
        if index != self._index:
            self._index, self._of_index = index, set()
        events = [_event(one, index) for one in line.many("Events")]
        # One index can come in several lines, and a resumed stream begins with that of the last line.
        fresh = [one for one in events if (one.topic, one.type, one.key) not in self._of_index]
        self._of_index |= {(one.topic, one.type, one.key) for one in fresh}
        return [*found, *fresh]


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks, b"")


def _parsed(line: bytes) -> Fields:
    try:
        return Fields(json.loads(line))
    except (ValueError, RecursionError) as exc:
        raise Garbled(f"the event stream sent a line that is no JSON ({len(line)} bytes)", call="event stream") from exc


def _event(one: Fields, index: int) -> ClusterEvent:
    try:
        return ClusterEvent(
            one.key("Topic"), one.text("Type"), one.text("Key"), one.text("Namespace"), index, one.fields("Payload")
        )
    except WrongShape as exc:
        raise Garbled(f"the event stream sent no event: {exc}", call="event stream") from exc


def _silent(is_first: bool, seconds: float) -> ClusterFault:
    if is_first:
        text = f"event stream: no first line within {seconds:g} s, which means that the token may not read these topics"
        return Denied(text, call="event stream", hint="docs/cluster-rights.md lists what each topic needs")
    return NoAnswer(f"event stream: no heartbeat within {seconds:g} s", call="event stream")
