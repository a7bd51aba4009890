"""What is seen of a bug in a part of the agent: an end for people, a place in the log, and nobody's words."""

import asyncio

import pytest

pytest.importorskip("prometheus_client")

from pipecatapp.agent.app import NoTools
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.status import StatusBoard
from pipecatapp.agent.status_rows import row
from pipecatapp.agent.turns import TurnParts, TurnRunner
from pipecatapp.core.ports import Question, ToolResult
from pipecatapp.core.twin import Phase, Turn
from pipecatapp.wire.agent_events import RowState

WORDS = "the safe is behind the clock"


class BuggyModel:
    """Fails as no model should."""

    async def choose(self, *_):
        return "none"

    async def arguments(self, *_):
        return {}

    async def answer(self, question):
        yield "begun"
        raise KeyError(question.request)


async def nobody(turn) -> ToolResult | None:
    return None


async def ignore(message) -> None:
    pass


def test_a_bug_ends_the_turn_and_leaves_its_place_without_words_in_the_log(caplog):
    async def inside():
        parts = TurnParts(BuggyModel(), NoTools(), AgentMetrics(), 60.0)
        return await TurnRunner(parts, Turn("t1", "s", Question(WORDS), ()), nobody, ignore).run()

    turn = asyncio.run(inside())
    assert (turn.phase, turn.text) == (Phase.FAILED, "begun")
    assert "a bug of the agent" in turn.problem
    assert "turn t1: KeyError at " in caplog.text
    assert "test_bugs_of_parts.py" in caplog.text
    assert WORDS not in caplog.text


def test_a_bug_in_one_source_is_a_row_beside_the_others(caplog):
    async def buggy():
        raise KeyError(WORDS)

    async def fine():
        return [row("model", RowState.OK)]

    async def inside():
        return await StatusBoard({"consul": buggy, "agent": fine}).rows()

    found = {one.component: one.state for one in asyncio.run(inside())}
    assert found == {"consul": RowState.UNKNOWN, "model": RowState.OK}
    assert WORDS not in caplog.text
