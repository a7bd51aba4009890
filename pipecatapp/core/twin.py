"""One turn of the agent as a state machine of values: what is to be done next, and what follows from its result.

    choosing -> filling -> (asking) -> running -> choosing ... -> answering -> done

A turn is one value that holds all of its state, its session and its queue too: answers of two turns have nothing in
common in which they could be mixed up.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import Finding, Question, Risk, ToolCall, ToolReason, ToolResult, ToolSpec

MOST_STEPS: Final = 6
"""Calls of tools in one turn, those that failed too; then the agent answers with what it has."""
NO_TOOL: Final = "none"
"""The choice that calls no tool."""


class Phase(StrEnum):
    """What a turn waits for."""

    CHOOSING = "choosing"
    """The name of a tool, or `none`."""
    FILLING = "filling"
    """The arguments of the chosen tool."""
    ASKING = "asking"
    """A person's decision about the call."""
    RUNNING = "running"
    """The result of the call."""
    ANSWERING = "answering"
    """The answer's text."""
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDS: Final = frozenset({Phase.ANSWERED, Phase.FAILED, Phase.CANCELLED})


class OutOfOrder(AssertionError):
    """Something happened that the turn does not wait for: a bug of the caller."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The whole state of one turn."""

    id: str
    session_id: str
    question: Question
    tools: tuple[ToolSpec, ...]
    """Those that the turn may call."""
    response_queue_id: str = ""
    """The queue that gets the answer; empty for the pages of the session."""
    phase: Phase = Phase.CHOOSING
    tool: ToolSpec | None = None
    """The chosen one, while its arguments are sought, or it is asked for or runs."""
    call: ToolCall | None = None
    """The call that is asked for or runs."""
    risk: Risk = Risk.DANGER
    """Of that call."""
    text: str = ""
    """The answer, as far as it has come."""
    problem: str = ""
    """Why the turn failed."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be done any more."""
        return self.phase in ENDS

    @property
    def steps(self) -> int:
        """How many calls have a result."""
        return len(self.question.findings)


def choose(turn: Turn, name: str, new_id: Callable[[], str]) -> Turn:
    """Return the turn after the model has chosen.

    Args:
        turn: which waits for a choice.
        name: of a tool, or `none`; a name that no tool has is a failed step.
        new_id: makes the id of a call.
    """
    _expect(turn, Phase.CHOOSING)
    if name == NO_TOOL:
        return replace(turn, phase=Phase.ANSWERING)
    tool = next((one for one in turn.tools if one.name == name), None)
    if tool is not None:
        return replace(turn, phase=Phase.FILLING, tool=tool)
    known = ", ".join(one.name for one in turn.tools) or "none"
    result = ToolResult(f"there is no such tool; known: {known}", True, ToolReason.UNKNOWN_TOOL)
    return _after_step(turn, ToolCall(new_id(), name, {}), result)


def fill(turn: Turn, arguments: Mapping[str, JsonValue], risk: Risk, new_id: Callable[[], str]) -> Turn:
    """Return the turn after the model has given arguments: the call runs, or a person is asked first.

    Args:
        turn: which waits for arguments.
        arguments: of the chosen tool.
        risk: of this call; a dangerous one is asked for.
        new_id: makes the id of the call.
    """
    _expect(turn, Phase.FILLING)
    assert turn.tool is not None
    call = ToolCall(new_id(), turn.tool.name, arguments)
    # Arguments that did not fit were no call yet.
    made = [one for one in turn.question.findings if one.result.reason is not ToolReason.BAD_ARGUMENTS]
    if _has_made(made, call):
        return replace(turn, phase=Phase.ANSWERING, tool=None)
    phase = Phase.ASKING if risk is Risk.DANGER else Phase.RUNNING
    return replace(turn, phase=phase, call=call, risk=risk)


def misfill(turn: Turn, problem: str, new_id: Callable[[], str]) -> Turn:
    """Return the turn after the model has given arguments that do not fit."""
    _expect(turn, Phase.FILLING)
    assert turn.tool is not None
    result = ToolResult(problem, True, ToolReason.BAD_ARGUMENTS)
    return _after_step(turn, ToolCall(new_id(), turn.tool.name, {}), result)


def approve(turn: Turn) -> Turn:
    """Return the turn after a person has allowed the call."""
    _expect(turn, Phase.ASKING)
    return replace(turn, phase=Phase.RUNNING)


def refuse(turn: Turn, result: ToolResult) -> Turn:
    """Return the turn after the call was not allowed: it answers, because another way to the same would be a trick."""
    _expect(turn, Phase.ASKING)
    assert turn.call is not None
    return replace(_after_step(turn, turn.call, result), phase=Phase.ANSWERING)


def finish_call(turn: Turn, result: ToolResult) -> Turn:
    """Return the turn after the tool has ended."""
    _expect(turn, Phase.RUNNING)
    assert turn.call is not None
    return _after_step(turn, turn.call, result)


def add_text(turn: Turn, part: str) -> Turn:
    """Return the turn with the next part of its answer."""
    _expect(turn, Phase.ANSWERING)
    return replace(turn, text=turn.text + part)


def end_answer(turn: Turn) -> Turn:
    """Return the turn after its answer is complete."""
    _expect(turn, Phase.ANSWERING)
    return replace(turn, phase=Phase.ANSWERED)


def fail(turn: Turn, problem: str) -> Turn:
    """Return the turn after what it needs has failed."""
    _expect(turn, *(set(Phase) - ENDS))
    return replace(turn, phase=Phase.FAILED, problem=problem, call=None, tool=None)


def cancel(turn: Turn) -> Turn:
    """Return the turn after somebody has ended it; a turn that is over stays as it is."""
    return turn if turn.is_over else replace(turn, phase=Phase.CANCELLED, call=None, tool=None)


def canonical(arguments: Mapping[str, JsonValue]) -> str:
    """Return arguments as text that is equal for equal ones, whatever the order of their keys."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))


def _has_made(findings: Sequence[Finding], call: ToolCall) -> bool:
    made = {(one.call.tool, canonical(one.call.arguments)) for one in findings}
    return (call.tool, canonical(call.arguments)) in made


def _after_step(turn: Turn, call: ToolCall, result: ToolResult) -> Turn:
    findings = (*turn.question.findings, Finding(call, result))
    question = replace(turn.question, findings=findings)
    # A name that no tool has comes back for the same words, again and again.
    is_stuck = result.reason is ToolReason.UNKNOWN_TOOL and _has_made(turn.question.findings, call)
    phase = Phase.ANSWERING if is_stuck or len(findings) >= MOST_STEPS else Phase.CHOOSING
    return replace(turn, question=question, phase=phase, tool=None, call=None)


def _expect(turn: Turn, *phases: Phase) -> None:
    if turn.phase not in phases:
        raise OutOfOrder(f"turn {turn.id} is {turn.phase}, not {' or '.join(sorted(phases))}")
