"""Whether a new case is real, and its essence: asked again until that is known, then shrunk."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from evolve.core.cases.capture import Render
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.inert import as_sent
from evolve.core.cases.shrinking import Shrunk, reproduces, shrink
from evolve.core.model.json_value import JsonValue

Fails = Callable[[Mapping[str, JsonValue], int], Awaitable[bool]]
"""Asks the agent about vars: whether it fails the same way. The number tells repeats of one question apart."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A case after it was asked again."""

    case: FailureCase
    change: Literal["shrunk", "flaky", ""]
    questions: int


async def settle(
    case: FailureCase, fails: Fails, *, max_questions: int, render: Render | None = None, k: int = 2, n: int = 3
) -> Settled:
    """The case as `flaky` when it does not fail k of n times, else with as little in its vars as makes it fail.

    Its fingerprint stays: it is the failure's, not the text's.

    Args:
        max_questions: so many are asked in all, with the repeats; where they run out the case is as small as it got.
        render: makes the prompt of the smaller vars; without it the case's prompt stays as it was sent.
    """
    outcomes: list[bool] = []
    while reproduces(outcomes, k, n) is None:
        if len(outcomes) >= max_questions:
            return Settled(case, "", len(outcomes))
        outcomes.append(await fails(case.vars, len(outcomes)))
    if not reproduces(outcomes, k, n):
        return Settled(replace(case, status="flaky", is_settled=True), "flaky", len(outcomes))
    found = await _shrunk(case.vars, fails, max_questions - len(outcomes))
    questions = len(outcomes) + found.questions
    if found.vars == case.vars:
        return Settled(replace(case, is_settled=True), "", questions)
    prompt = as_sent(render(found.vars)) if render else case.prompt
    smaller = replace(case, vars=found.vars, prompt=prompt, is_settled=True)
    return Settled(smaller, "shrunk", questions)


async def _shrunk(vars: Mapping[str, JsonValue], fails: Fails, max_questions: int) -> Shrunk:
    """Runs the search to its end."""
    search = shrink(vars, max_questions=max_questions)
    try:
        candidate = next(search)
        while True:
            candidate = search.send(await fails(candidate, 0))
    except StopIteration as stop:
        found: Shrunk = stop.value
        return found
