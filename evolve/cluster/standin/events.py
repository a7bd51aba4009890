"""The event stream: changes of records as lines of JSON, from the buffer and then as they happen."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .answers import Refused
from .shapes import Json
from .state import State

HEARTBEAT_S = 30.0
TOPICS = {"jobs": "Job", "allocs": "Allocation", "evals": "Evaluation", "deployments": "Deployment", "nodes": "Node"}


def stream(state: State, topics: tuple[str, ...], from_index: int) -> Iterator[bytes]:
    """Yields the first line, then the topics' events from an index on (0: the oldest that are kept), for ever."""
    wanted = [_parsed(topic) for topic in topics] or [("*", "*")]
    next_index = from_index
    yield b"{}\n"
    while True:
        with state.lock:
            found = [one for one in state.events if one[0] >= next_index]
            if not found:
                is_quiet = not state.changed.wait(HEARTBEAT_S)
                if not is_quiet:
                    continue
        if not found:
            yield b"{}\n"
            continue
        next_index = found[-1][0] + 1
        for index, kind, event, record in found:
            shown = _event(index, kind, event, record)
            if any(_matches(topic, key, shown) for topic, key in wanted):
                yield json.dumps({"Index": index, "Events": [shown]}).encode() + b"\n"


def _parsed(topic: str) -> tuple[str, str]:
    if topic.count(":") > 1:
        raise Refused(
            400, f"Invalid topic query: error parsing topics: Invalid key value pair for topic, topic: {topic}"
        )
    name, _, key = topic.partition(":")
    return name, key or "*"


def check(topics: tuple[str, ...]) -> None:
    """Refuses topics that cannot be read."""
    for topic in topics:
        _parsed(topic)


def _matches(topic: str, key: str, shown: Json) -> bool:
    return topic in ("*", shown["Topic"]) and key in ("*", shown["Key"], *(shown["FilterKeys"] or []))


def _event(index: int, kind: str, event: str, record: Json) -> Json:
    topic = TOPICS[kind]
    payload = {**record, "Job": None} if kind == "allocs" else record
    keys = [record["JobID"], record.get("DeploymentID", "")] if "JobID" in record else None
    return {
        "FilterKeys": keys,
        "Index": index,
        "Key": record["ID"],
        "Namespace": record.get("Namespace", ""),
        "Payload": {topic: payload},
        "Topic": topic,
        "Type": event,
    }
