"""Checks whether a new case reproduces by asking the agent again, then makes it smaller."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from evolve.core.cases.capture import Render
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.inert import as_sent
from evolve.core.cases.shrinking import Shrunk, reproduces, shrink
from evolve.core.model.json_value import JsonValue

Fails = Callable[[Mapping[str, JsonValue], int], Awaitable[bool]]
"""Asks the agent with these vars and returns whether it fails in the same way. The number is that of the repeat."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A case after the agent was asked again."""

    case: FailureCase
    change: Literal["shrunk", "flaky", ""]
    questions: int


async def settle(
    case: FailureCase, fails: Fails, *, max_questions: int, render: Render | None = None, k: int = 2, n: int = 3
) -> Settled:
    """Return the case marked `flaky` if it fails fewer than k of n times, else with vars as small as still fail.

    The fingerprint does not change: it identifies the failure, not the text.

    Args:
        fails: asks the agent.
        max_questions: limit for all questions, including repeats. When it is reached, the case is returned as small
            as it is by then.
        render: makes the prompt from the smaller vars; None keeps the prompt as it was sent.
        k: failures that make a case real.
        n: tries. 2 of 3 drops what fails only now and then, at a cost of two questions for a stable failure.
    """
    outcomes: list[bool] = []
    while reproduces(outcomes, k, n) is None:
        if len(outcomes) >= max_questions:
            return Settled(case, "", len(outcomes))
        outcomes.append(await fails(case.vars, len(outcomes)))
    if not reproduces(outcomes, k, n):
        return Settled(replace(case, status="flaky", is_settled=True), "flaky", len(outcomes))
    found = await _run_search(case.vars, fails, max_questions - len(outcomes))
    questions = len(outcomes) + found.questions
    if found.vars == case.vars:
        return Settled(replace(case, is_settled=True), "", questions)
    prompt = as_sent(render(found.vars)) if render else case.prompt
    smaller = replace(case, vars=found.vars, prompt=prompt, is_settled=True)
    return Settled(smaller, "shrunk", questions)


async def _run_search(vars: Mapping[str, JsonValue], fails: Fails, max_questions: int) -> Shrunk:
    """Runs the search to its end."""
    search = shrink(vars, max_questions=max_questions)
    try:
        candidate = next(search)
        while True:
            candidate = search.send(await fails(candidate, 0))
    except StopIteration as stop:
        found: Shrunk = stop.value
        return found
