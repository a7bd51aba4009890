"""Every call of our clients of Nomad and Consul has recordings of a real server, and reads each of them.

docs/cluster-calls.md is the table of it: `python suites/contract/test_recorded_calls.py` writes it.
"""

import asyncio
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.caller import Caller, Patience
from evolve.cluster.classify import RULES
from evolve.cluster.consul import operations as consul
from evolve.cluster.faults import ClusterFault, Garbled
from evolve.cluster.nomad import operations as nomad
from evolve.cluster.operations import Operation
from fixtures.cluster_recordings import RecordedCall, all_calls, calls, files, repeating

PAGE = Path(__file__).parents[2] / "docs" / "cluster-calls.md"
HURRY = Patience(read_tries=1)
HEAD = """# Calls of Nomad and Consul

Each call that the clients in `evolve/cluster/` make, the answers that a real server was recorded to give, and what the
client makes of them: a value, or one of the faults of `evolve/cluster/faults.py`. The numbers are files of
`fixtures/nomad/`. `python suites/contract/test_recorded_calls.py` writes this page out of code and recordings; a call
without a recording fails the tests.
"""
WITHOUT_STEPS = {nomad.EVENT_STREAM: "24, 28"}
"""Recorded as lines, and read by suites/contract/test_recorded_streams.py."""

BROKEN_OFF = {("39", 21), ("39", 23)}
"""Answers that the network cut in the middle."""


async def outcomes(recorded: list[RecordedCall]) -> list[tuple[object, ClusterFault | None]]:
    """What our client makes of each recorded answer."""
    found: list[tuple[object, ClusterFault | None]] = []
    async with repeating(recorded) as url:
        callers = {api: Caller(ClusterAddress(url), api, HURRY) for api in {call.api for call in recorded}}
        for call in recorded:
            try:
                value, _ = await callers[call.api].ask(call.operation, call.names)
                found.append((value, None))
            except ClusterFault as fault:
                found.append((None, fault))
        for caller in callers.values():
            await caller.close()
    return found


@pytest.mark.parametrize("file", files(), ids=lambda file: file.stem)
def test_every_recorded_answer_is_a_value_or_a_known_fault(file: Path) -> None:
    recorded = list(calls(file))
    for call, (_, fault) in zip(recorded, asyncio.run(outcomes(recorded)), strict=True):
        if (call.file, call.number) in BROKEN_OFF:
            assert isinstance(fault, Garbled)
            continue
        assert (fault is None) == (call.status in call.operation.statuses), f"{call}: {fault}"
        assert not isinstance(fault, Garbled) or call.status == 307, f"{call}: {fault}"
        assert fault is None or fault.status == call.status


@pytest.mark.parametrize("operation", [*nomad.OPERATIONS, *consul.OPERATIONS], ids=lambda one: one.name)
def test_every_call_and_status_has_a_recording(operation: Operation[object]) -> None:
    seen = {call.status for call in all_calls() if call.operation is operation}
    assert operation in WITHOUT_STEPS or set(operation.statuses) <= seen


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.is_recorded], ids=str)
def test_every_rule_for_faults_has_a_recording(rule) -> None:
    errors = [call for call in all_calls() if call.status >= 400]
    first = {
        id(next(one for one in RULES if one.matches(call.status, str(call.answer).strip())))
        for call in errors
        if any(one.matches(call.status, str(call.answer).strip()) for one in RULES)
    }
    assert id(rule) in first


def test_the_page_shows_what_code_and_recordings_say() -> None:
    assert PAGE.read_text("utf-8") == page(), f"type: python {Path(__file__).name}"


def test_a_call_that_nobody_recorded_would_be_found() -> None:
    odd = Operation("odd", "GET", "/v1/odd", lambda reply: reply)
    assert not {call.status for call in all_calls() if call.operation is odd}
    assert set(odd.statuses)


def page() -> str:
    """The page."""
    recorded = all_calls()
    made = asyncio.run(outcomes(recorded))
    table: dict[tuple[int, int, str], set[str]] = defaultdict(set)
    for call, (_, fault) in zip(recorded, made, strict=True):
        table[id(call.operation), call.status, type(fault).__name__ if fault else "a value"].add(call.file)
    parts = [HEAD]
    for title, operations in (("Nomad", nomad.OPERATIONS), ("Consul", consul.OPERATIONS)):
        head = "| call | request | status | the client makes of it | recordings |\n|---|---|---|---|---|\n"
        parts.append(f"\n## {title}\n\n{head}")
        parts += [row for operation in operations for row in rows(operation, table)]
    return "".join(parts)


def rows(operation: Operation[object], table: dict[tuple[int, int, str], set[str]]) -> list[str]:
    request = f"`{operation.method} {operation.path}`"
    if operation in WITHOUT_STEPS:
        return [f"| `{operation.name}` | {request} | 200 | events | {WITHOUT_STEPS[operation]} |\n"]
    own = sorted((status, made, sorted(found)) for (key, status, made), found in table.items() if key == id(operation))
    return [
        f"| `{operation.name}` | {request} | {status} | {made} | {', '.join(found)} |\n" for status, made, found in own
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    PAGE.write_text(page(), "utf-8")
