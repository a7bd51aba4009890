"""The twin agent over several turns, on an endpoint that plays each case's walkthrough, or plays it wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.core.formats.yaml12 import parse_yaml
from fixtures.faulty_server import FaultyServer, Ok, Scripted
from fixtures.loopback_server import Received

FOLDER = Path(__file__).parents[2] / "fixtures" / "turns"
Play = Callable[[list[Any], int], Any]
"""Returns the model's output in one turn of a walkthrough."""


def walkthroughs() -> dict[str, list[Any]]:
    suite: Any = parse_yaml((FOLDER / "twin_turns.yaml").read_text("utf-8"), "twin_turns.yaml")
    return {test["vars"]["request"]: test["metadata"]["walkthrough"] for test in suite["tests"]}


@pytest.fixture
def rows_of(faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("EVOLVE_BASE_URL", f"{faulty_server.url}/v1")
    for name in ("twin_turns.yaml", "house.yaml"):
        shutil.copy(FOLDER / name, tmp_path)
    listed = walkthroughs()

    def run(play: Play, code: int) -> list[Any]:
        def reply(request: Received) -> Ok:
            messages = request.json["messages"]
            turn = sum(message["role"] == "assistant" for message in messages)
            return Ok(json.dumps(play(listed[messages[1]["content"]], turn)))

        faulty_server.plan(then=Scripted(reply))
        assert main(["run", "twin_turns.yaml", "--output", "out.json", "--quiet"]) == code
        rows: list[Any] = json.loads(Path("out.json").read_text("utf-8"))["results"]["results"]
        return rows

    return run


def failed(rows: list[Any]) -> list[str]:
    return [row["testCase"]["metadata"]["family"] for row in rows if not row["success"]]


def test_every_walkthrough_passes_and_is_one_answer(rows_of: Callable[..., list[Any]], faulty_server: FaultyServer):
    rows = rows_of(lambda walkthrough, turn: walkthrough[turn], 0)
    turns = sum(map(len, walkthroughs().values()))
    assert (len(rows), failed(rows)) == (20, [])
    assert len(faulty_server.requests) == turns > 2 * len(rows)
    longest = next(row for row in rows if row["testCase"]["metadata"]["family"] == "cause-elsewhere")
    assert longest["response"]["tokenUsage"]["total"] == 4 * 10
    assert [step["name"] for step in longest["response"]["metadata"]["trajectory"]] == ["mcp", "ssh", "mcp", "message"]
    # A second run asks nobody: the whole conversation is one stored answer.
    rows_of(lambda walkthrough, turn: walkthrough[turn], 0)
    assert faulty_server.requests == []


def test_an_agent_that_gives_up_after_one_turn_fails_where_more_are_needed(rows_of: Callable[..., list[Any]]):
    rows = rows_of(lambda walkthrough, turn: {"answer": "Done."} if turn else walkthrough[0], 1)
    more = [request for request, steps in walkthroughs().items() if len([s for s in steps if "answer" not in s]) > 1]
    assert len(failed(rows)) == len(more)


def test_an_agent_that_only_talks_fails_where_something_must_be_done(rows_of: Callable[..., list[Any]]):
    rows = rows_of(lambda *_: {"answer": "Done."}, 1)
    passed = {row["testCase"]["metadata"]["family"] for row in rows} - set(failed(rows))
    # Where the right end is the house as it was, only its own assertions can tell.
    assert passed == {"restart-only-if", "note-only", "open-only-for", "check-keeps-open", "no-tool"}


def test_an_agent_that_never_ends_is_stopped_after_four_turns(rows_of: Callable[..., list[Any]]):
    rows = rows_of(lambda *_: {"tool": "ha", "arguments": {"device": "heating", "set": 23}}, 1)
    assert {len(row["response"]["metadata"]["turns"]) for row in rows} == {4}
    assert {row["response"]["output"]["state"]["heating"] for row in rows} == {23}
    kept = next(row for row in rows if row["testCase"]["metadata"]["family"] == "note-only")
    reasons = [part["reason"] for part in kept["gradingResult"]["componentResults"]]
    assert reasons == ["heating is 23, expected 19", "ha, ha, ha, ha"]
