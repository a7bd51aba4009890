import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.core import twin
from pipecatapp.core.ports import Question, Risk, ToolReason, ToolResult, ToolSpec
from pipecatapp.core.twin import MOST_STEPS, OutOfOrder, Phase, Turn

TOOLS = tuple(
    ToolSpec(name, "", {"type": "object"}, risk, 5.0) for name, risk in [("ha", Risk.WRITE), ("ssh", Risk.DANGER)]
)


@pytest.fixture
def new_id():
    numbers = itertools.count()
    return lambda: f"c{next(numbers)}"


def begin():
    return Turn("t", "s", Question("turn on the light"), TOOLS)


def step(turn, new_id, name="ha", arguments=None, result=None):
    turn = twin.choose(turn, name, new_id)
    turn = twin.fill(turn, arguments or {}, turn.tool.risk, new_id)
    return twin.finish_call(turn, result or ToolResult("on")) if turn.phase is Phase.RUNNING else turn


def test_without_a_tool_the_turn_answers(new_id):
    turn = twin.choose(begin(), "none", new_id)
    assert turn.phase is Phase.ANSWERING
    turn = twin.end_answer(twin.add_text(twin.add_text(turn, "he"), "llo"))
    assert (turn.phase, turn.text, turn.is_over) == (Phase.ANSWERED, "hello", True)


def test_what_a_tool_gave_is_in_the_next_question(new_id):
    turn = step(begin(), new_id, arguments={"name": "lamp"})
    assert turn.phase is Phase.CHOOSING
    (finding,) = turn.question.findings
    assert (finding.call.tool, finding.call.arguments, finding.result.text) == ("ha", {"name": "lamp"}, "on")
    assert turn.question.request == "turn on the light"


def test_a_dangerous_call_waits_for_a_person(new_id):
    turn = step(begin(), new_id, "ssh", {"command": "reboot"})
    assert turn.phase is Phase.ASKING
    with pytest.raises(OutOfOrder):
        twin.finish_call(turn, ToolResult("done"))
    assert twin.approve(turn).phase is Phase.RUNNING


@pytest.mark.parametrize("reason", [ToolReason.DENIED, ToolReason.EXPIRED])
def test_after_a_refusal_no_other_tool_is_tried(new_id, reason):
    turn = twin.refuse(step(begin(), new_id, "ssh"), ToolResult("no", True, reason))
    assert turn.phase is Phase.ANSWERING
    assert turn.question.findings[0].result.reason is reason


def test_the_same_call_twice_ends_the_search(new_id):
    turn = step(begin(), new_id, arguments={"a": 1, "b": 2})
    turn = step(turn, new_id, arguments={"b": 2, "a": 1})
    assert (turn.phase, turn.steps) == (Phase.ANSWERING, 1)


def test_a_dangerous_call_is_not_asked_for_twice(new_id):
    turn = twin.finish_call(twin.approve(step(begin(), new_id, "ssh", {"command": "reboot"})), ToolResult("done"))
    assert step(turn, new_id, "ssh", {"command": "reboot"}).phase is Phase.ANSWERING


def test_after_the_last_step_the_turn_answers(new_id):
    turn = begin()
    for number in range(MOST_STEPS):
        assert turn.phase is Phase.CHOOSING
        turn = step(turn, new_id, arguments={"n": number})
    assert (turn.phase, turn.steps) == (Phase.ANSWERING, MOST_STEPS)


def test_an_unknown_tool_is_a_step_with_a_hint_and_the_second_time_the_end(new_id):
    turn = twin.choose(begin(), "toaster", new_id)
    assert turn.phase is Phase.CHOOSING
    result = turn.question.findings[0].result
    assert (result.reason, result.text) == (ToolReason.UNKNOWN_TOOL, "there is no such tool; known: ha, ssh")
    assert twin.choose(turn, "toaster", new_id).phase is Phase.ANSWERING
    assert twin.choose(turn, "oven", new_id).phase is Phase.CHOOSING


def test_wrong_arguments_are_a_step_and_may_be_corrected(new_id):
    turn = twin.misfill(twin.choose(begin(), "ha", new_id), "name is missing", new_id)
    assert turn.question.findings[0].result == ToolResult("name is missing", True, ToolReason.BAD_ARGUMENTS)
    assert step(turn, new_id, arguments={}).steps == 2


def test_a_failed_turn_says_why_and_stays_failed(new_id):
    turn = twin.fail(twin.choose(begin(), "ha", new_id), "the model is away")
    assert (turn.phase, turn.problem) == (Phase.FAILED, "the model is away")
    assert twin.cancel(turn) == turn
    with pytest.raises(OutOfOrder):
        twin.fail(turn, "again")


def test_a_cancelled_turn_keeps_its_half_answer(new_id):
    turn = twin.cancel(twin.add_text(twin.choose(begin(), "none", new_id), "hal"))
    assert (turn.phase, turn.text) == (Phase.CANCELLED, "hal")


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ha", "ssh", "none", "toaster"]), st.integers(0, 3), st.sampled_from(["yes", "no", "bad"])
    ),
    min_size=MOST_STEPS + 2,
    max_size=20,
)


@given(MOVES)
def test_whatever_a_model_does_the_turn_ends_and_dangerous_calls_were_approved(moves):
    numbers = itertools.count()
    turn, approved, ran = begin(), [], []
    for name, argument, word in moves:
        if turn.phase is not Phase.CHOOSING:
            break
        turn = twin.choose(turn, name, lambda: str(next(numbers)))
        if turn.phase is Phase.FILLING and word == "bad":
            turn = twin.misfill(turn, "bad", lambda: str(next(numbers)))
        elif turn.phase is Phase.FILLING:
            # Calls of one tool differ.
            risk = Risk.DANGER if argument == 1 else turn.tool.risk
            turn = twin.fill(turn, {"n": argument}, risk, lambda: str(next(numbers)))
        if turn.phase is Phase.ASKING:
            if word == "no":
                turn = twin.refuse(turn, ToolResult("no", True, ToolReason.DENIED))
            else:
                approved.append(turn.call)
                turn = twin.approve(turn)
        if turn.phase is Phase.RUNNING:
            ran.append(turn.call)
            turn = twin.finish_call(turn, ToolResult("ok"))
    assert turn.phase is Phase.ANSWERING
    assert turn.steps <= MOST_STEPS
    assert [one for one in ran if one.tool == "ssh" or one.arguments == {"n": 1}] == approved
    assert len({(one.tool, twin.canonical(one.arguments)) for one in ran}) == len(ran)
