"""The event feed over recorded streams: resumed, without repeats, and never trusted alone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.faults import ClusterFault, Denied, NoAnswer, Unreachable
from evolve.cluster.nomad.events import ClusterEvent, EventFeed, ReadLists, StreamLimits

FOLDER = Path(__file__).parents[2] / "fixtures" / "nomad"


def recorded(file: str, step: int) -> list[dict[str, Any]]:
    """The lines of a recorded stream; what the recorder raised is no line."""
    (path,) = FOLDER.glob(f"{file}-*.json")
    body = json.loads(path.read_text("utf-8"))["steps"][step]["response"]["body"]
    return [line["line"] for line in body["lines"] if "line" in line]


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


LIMITS = StreamLimits(first_line_s=0.2, silence_s=0.2, lists_every_s=3600, sleep=no_pause)


class Streams:
    """Connections that bring the given lines or faults, one after the other; the last one stays silent."""

    def __init__(self, *connections: list[dict[str, Any]] | ClusterFault, cut: int = 10_000_000) -> None:
        self.queries: list[dict[str, Any]] = []
        self._left = list(connections)
        self._cut = cut

    @contextlib.asynccontextmanager
    async def connect(self, query: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.queries.append(dict(query))
        one = self._left.pop(0) if self._left else None
        if isinstance(one, ClusterFault):
            raise one
        yield self._chunks(one)

    async def _chunks(self, lines: list[dict[str, Any]] | None) -> AsyncIterator[bytes]:
        if lines is None:
            await asyncio.Event().wait()
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines or [])
        # Chunks end where the network likes, not where a line does.
        for start in range(0, len(data), self._cut):
            yield data[start : start + self._cut]


async def taken(feed: EventFeed, until: Any) -> list[ClusterEvent | ReadLists]:
    """What the feed brings up to the item that `until` is waiting for."""
    found: list[ClusterEvent | ReadLists] = []
    async for item in feed.items():
        found.append(item)
        if until(found):
            break
    return found


def events(items: list[ClusterEvent | ReadLists]) -> list[ClusterEvent]:
    return [item for item in items if isinstance(item, ClusterEvent)]


@pytest.mark.parametrize("cut", [1, 7, 4096])
@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_every_recorded_event_comes_however_the_network_cuts_it(step: int, cut: int) -> None:
    lines = recorded("24", step)
    wanted = [(one["Topic"], one["Type"], one["Key"]) for line in lines for one in line.get("Events", [])]
    streams = Streams(lines, cut=cut)
    found = asyncio.run(taken(EventFeed(streams.connect, ("*:*",), LIMITS), lambda found: len(found) > len(wanted)))
    assert isinstance(found[0], ReadLists)
    # The same change can be in two lines of one index; it is one event.
    assert [*dict.fromkeys((one.index, one.topic, one.type, one.key) for one in events(found))] == [
        (one.index, one.topic, one.type, one.key) for one in events(found)
    ]
    assert {(one.topic, one.type, one.key) for one in events(found)} <= {*wanted}


def test_a_lost_stream_goes_on_at_its_index_and_repeats_nothing() -> None:
    lines = [line for line in recorded("24", 0) if line]
    last = lines[3]["Index"]
    streams = Streams([{}, *lines[:4]], [{}, *(line for line in lines if line["Index"] >= last)])
    enough = {(line["Index"], one["Topic"], one["Type"], one["Key"]) for line in lines for one in line["Events"]}
    feed = EventFeed(streams.connect, ("*:*",), LIMITS)
    found = asyncio.run(taken(feed, lambda found: len(events(found)) >= len(enough)))
    assert streams.queries[1]["index"] == str(last)
    seen = [(one.index, one.topic, one.type, one.key) for one in events(found)]
    assert len(seen) == len({*seen}) == len(enough)
    assert [item.why for item in found if isinstance(item, ReadLists)] == ["start", "the stream ended"]


def test_a_stream_without_a_first_line_means_no_permission() -> None:
    assert recorded("28", 37) == []
    feed = EventFeed(Streams().connect, ("Job:*",), LIMITS)
    found = asyncio.run(taken(feed, lambda found: len(found) == 3))
    assert [type(item.fault) for item in found if isinstance(item, ReadLists)] == [type(None), Denied, Denied]


def test_a_stream_that_falls_silent_is_opened_again() -> None:
    class Silent(Streams):
        async def _chunks(self, _: Any) -> AsyncIterator[bytes]:
            yield b"{}\n"
            await asyncio.Event().wait()

    feed = EventFeed(Silent().connect, ("Job:*",), LIMITS)
    found = asyncio.run(taken(feed, lambda found: len(found) == 2))
    assert isinstance(found[1], ReadLists)
    assert isinstance(found[1].fault, NoAnswer)


def test_an_index_that_goes_backwards_has_the_lists_read() -> None:
    event = {"Topic": "Job", "Type": "JobRegistered", "Key": "web", "Namespace": "default", "Payload": {}}
    streams = Streams([{}, {"Index": 900, "Events": [event]}, {"Index": 5, "Events": [event]}])
    feed = EventFeed(streams.connect, ("Job:*",), LIMITS)
    found = asyncio.run(taken(feed, lambda found: len(events(found)) == 2))
    assert [item.why for item in found if isinstance(item, ReadLists)] == ["start", "the index went backwards"]
    assert [one.index for one in events(found)] == [900, 5]


def test_the_feed_outlives_every_fault_and_says_which() -> None:
    gone = Unreachable("nobody listens", call="event stream")
    streams = Streams(gone, [{"no": "end"}, ["no", "object"]], gone)  # type: ignore[list-item]
    feed = EventFeed(streams.connect, ("Job:*",), LIMITS)
    found = asyncio.run(taken(feed, lambda found: len(found) == 5))
    kinds = [type(item.fault).__name__ for item in found if isinstance(item, ReadLists)]
    assert kinds == ["NoneType", "Unreachable", "Garbled", "Unreachable", "Denied"]


def test_the_lists_are_due_once_in_a_while_although_nothing_happens() -> None:
    class Beating(Streams):
        async def _chunks(self, _: Any) -> AsyncIterator[bytes]:
            while True:
                yield b"{}\n"
                await asyncio.sleep(0.02)

    limits = StreamLimits(first_line_s=5, silence_s=5, lists_every_s=0.05, sleep=no_pause)
    found = asyncio.run(taken(EventFeed(Beating().connect, ("Job:*",), limits), lambda found: len(found) == 3))
    assert [item.why for item in found if isinstance(item, ReadLists)] == ["start", "time", "time"]
