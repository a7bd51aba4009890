"""A failed case in a few lines for people: what was asked, what came back, what was expected."""

import json
from collections.abc import Iterator

from evolve.core.evaluation.cut_answers import cut_at, hint_for
from evolve.core.javascript.values import number_text
from evolve.core.model.errors import Location
from evolve.core.model.events import CaseResult
from evolve.core.model.suite import Assertion
from evolve.core.model.verdicts import Verdict, flatten
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.short_text import cut, to_text

PROMPT_LIMIT = 600
OUTPUT_LIMIT = 1200
VALUE_LIMIT = 300
REASON_LIMIT = 600
"""Characters; together one failure fits on a screen. The output has the most, because the mistake is in it."""


def failure_text(result: CaseResult) -> str:
    """Return prompt, output and each failing assertion, cut so that a hundred failures remain readable."""
    lines = [*_section("prompt", _last_message(result.prompt), PROMPT_LIMIT)]
    if result.answer is not None:
        lines += _section("output", to_text(result.output), OUTPUT_LIMIT)
    limit = cut_at(result)
    if limit:
        lines.append(f"cut:    the answer ended at the token limit ({limit}): {hint_for(result)}")
    failing = [verdict for verdict in flatten(result.verdict.components) if not verdict.passed]
    for verdict in failing:
        lines += _assertion_lines(verdict)
    if result.error and not any(result.error == verdict.error for verdict in failing):
        lines += _section(_ERROR_NAMES.get(result.error_kind, "error"), result.error, REASON_LIMIT)
    elif result.verdict.reason and not any(result.verdict.reason == verdict.reason for verdict in failing):
        lines.append(f"verdict: {visible(cut(result.verdict.reason, REASON_LIMIT))}")
    if result.verdict.components:
        lines.append(f"score:  {number_text(round(result.verdict.score, 4))}")
    return "\n".join(lines)


def failure_title(result: CaseResult) -> str:
    """Return the first thing that failed, on one line, and how many more did: `equals: Expected ... (+1 more)`."""
    failing = _failing_assertions(result)
    if not failing:
        return _first_line(result.error or result.verdict.reason)
    first = failing[0]
    more = f" (+{len(failing) - 1} more)" if len(failing) > 1 else ""
    return f"{assertion_name(first)}: {_first_line(first.error or first.reason)}{more}"


def failure_location(result: CaseResult) -> Location | None:
    """Return the place of the first failed assertion, if it is the test's own, else the place of its test."""
    test = result.evaluation.test.place
    if test is None:
        return None
    failing = _failing_assertions(result)
    place = failing[0].requirement.place if failing and failing[0].requirement else None
    is_own = place is not None and place.file == test.file and place.path[: len(test.path)] == test.path
    return place.location() if place is not None and is_own else test.location()


def _failing_assertions(result: CaseResult) -> list[Verdict]:
    """The single assertions that failed, those inside of sets too."""
    failing = [verdict for verdict in flatten(result.verdict.components) if not verdict.passed]
    return [verdict for verdict in failing if not verdict.components] or failing


def _first_line(text: str) -> str:
    return visible(text.split("\n", 1)[0])


_ERROR_NAMES = {
    "input": "input error",
    "environment": "environment fault",
    "evaluation": "could not be evaluated",
}


def assertion_name(verdict: Verdict) -> str:
    """Return the assertion's type as the suite spells it."""
    requirement = verdict.requirement
    if isinstance(requirement, Assertion):
        return f"not-{requirement.type}" if requirement.negated else requirement.type
    return "assert-set" if requirement is not None else "repeat"


def _assertion_lines(verdict: Verdict) -> Iterator[str]:
    mark = "error " if verdict.error else "failed"
    metric = verdict.requirement.metric if verdict.requirement else None
    name = f"{assertion_name(verdict)} ({metric})" if metric else assertion_name(verdict)
    yield from _section(f"{mark} {name}", verdict.error or verdict.reason, REASON_LIMIT)
    requirement = verdict.requirement
    if isinstance(requirement, Assertion) and _adds_something(requirement, verdict.reason):
        yield from _section("  expected", to_text(requirement.value), VALUE_LIMIT)


def _adds_something(assertion: Assertion, reason: str) -> bool:
    """Whether the value says more than the reason; code of several lines does so only where it failed itself."""
    value = assertion.value
    if assertion.type in ("javascript", "python") and isinstance(value, str) and "\n" in value.strip():
        return reason.startswith("Custom function")
    return value is not None and to_text(value) not in reason


def _last_message(prompt: str) -> str:
    """A chat's last message, after the number of those before it; any other prompt unchanged."""
    if not prompt.startswith("["):
        return prompt
    try:
        messages = json.loads(prompt)
    except ValueError:
        return prompt
    match messages:
        case [*before, {"role": str(role), "content": str(content)}]:
            return f"[{count(len(before), 'message')} before]\n{role}: {content}" if before else f"{role}: {content}"
    return prompt


def _section(title: str, text: str, limit: int) -> Iterator[str]:
    """`title: text`, or the text indented below its title when it has several lines."""
    lines = [visible(line) for line in cut(text, limit).splitlines()] or [""]
    if len(lines) == 1:
        yield f"{title}: {lines[0]}"
        return
    yield f"{title}:"
    yield from (f"    {line}" for line in lines)
