"""Changes that people make to a case: label, pin, waive, retire, redact again. Each one checks that it is allowed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.core.cases.capture import find_known_ids
from evolve.core.cases.failure_case import FailureCase, Waiver
from evolve.core.cases.inert import as_sent, clean
from evolve.core.cases.labels import label_assertions, label_problems, without_labels
from evolve.core.cases.redaction import Redactor
from evolve.core.formats.json_text import json_or
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue


def set_label(
    case: FailureCase, accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue], output: Mapping[str, JsonValue]
) -> FailureCase:
    """Return the case with these labels in place of its own.

    A pinned case is open again: nobody has seen the agent pass it with the new labels.

    Args:
        accepted: right answers, the best first.
        forbidden: answers that would do harm.
        output: JSON Schema of the agent's answer.

    Raises:
        InputError: with every reason why the case cannot have these labels.
    """
    problems = label_problems(output, accepted, forbidden)
    labels = label_assertions(output, accepted, forbidden)
    if not problems and not labels:
        problems.append(f"the output of {case.agent} has no enum for labels: write assertions into the file instead")
    if case.status == "retired":
        problems.append("the case is retired: set its status to open in its file first")
    if problems:
        raise InputError([Problem(message) for message in problems])
    changed = replace(
        case,
        accepted=tuple(accepted),
        forbidden=tuple(forbidden),
        assertions=(*without_labels(case.assertions), *labels),
    )
    return replace(changed, status="open", waiver=None) if case.status == "pinned" and changed != case else changed


def pin_case(case: FailureCase) -> FailureCase:
    """Return the case as pinned; raise InputError when it is retired or has neither labels nor assertions."""
    if case.status == "retired":
        raise InputError(Problem("a retired case cannot be pinned: set its status to open in its file first"))
    if not case.is_labelled:
        raise InputError(Problem("the case has no label and no assertion", None, "evolve cases label FILE ACTION"))
    return replace(case, status="pinned")


def retire_case(case: FailureCase, reason: str) -> FailureCase:
    """Return the case as retired; raise InputError without a reason, or when it is already retired."""
    if not reason.strip():
        raise InputError(Problem("--reason is empty", None, "say why this case is no longer needed"))
    if case.status == "retired":
        raise InputError(Problem(f"the case is already retired: {case.retired_because}"))
    return replace(case, status="retired", retired_because=reason.strip(), waiver=None)


def waive_case(case: FailureCase, until: str, reason: str, today: str) -> FailureCase:
    """Return the pinned case with a waiver: the gate ignores it until a day.

    Args:
        until: the last day of the waiver, as YYYY-MM-DD.
        reason: why; must not be empty.
        today: the current date, as YYYY-MM-DD.

    Raises:
        InputError: the case is not pinned, the day is in the past, or there is no reason.
    """
    problems = []
    if case.status != "pinned":
        problems.append(Problem(f"only a pinned case can be waived; it is {case.status}"))
    if until < today:
        problems.append(Problem(f"--until {until} is in the past", None, f"today is {today}"))
    if not reason.strip():
        problems.append(Problem("--reason is empty", None, "say why the gate may ignore this case for a time"))
    if problems:
        raise InputError(problems)
    return replace(case, waiver=Waiver(until, reason.strip()))


def redact_again(case: FailureCase, redactor: Redactor) -> FailureCase:
    """Return the case as this machine would have written it: also without its own secrets and invisible characters.

    Raises:
        CannotRedact: it could not be searched for secrets.
    """
    source = case.source
    bundle: JsonValue = {
        "vars": dict(case.vars),
        "prompt": json_or(case.prompt, case.prompt),
        "words": [case.description, case.family, source.test, source.check, source.reason, source.provider],
        "assertions": [dict(part) for part in case.assertions],
        "answers": [list(case.accepted), list(case.forbidden)],
        "settings": dict(case.settings),
    }
    safe = clean(redactor.with_ids((*find_known_ids(dict(case.vars)), case.agent)).redact(bundle))
    assert isinstance(safe, dict)
    prompt, words, answers = safe["prompt"], _list(safe["words"]), _list(safe["answers"])
    description, family, test, check, reason, provider = map(str, words)
    return replace(
        case,
        vars=_mapping_or_empty(safe["vars"]),
        prompt=as_sent(prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)),
        description=description,
        family=family,
        source=replace(source, test=test, check=check, reason=reason, provider=provider),
        assertions=tuple(_mapping_or_empty(part) for part in _list(safe["assertions"])),
        accepted=tuple(_list(answers[0])),
        forbidden=tuple(_list(answers[1])),
        settings=_mapping_or_empty(safe["settings"]),
    )


def _mapping_or_empty(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
