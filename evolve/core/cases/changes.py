"""What people do to a case: label, pin, waive, retire, bring in; and why some of it cannot be done."""

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
    """The case with these labels in place of its own. A pinned one is open again: nobody saw the agent pass it.

    Args:
        output: JSON Schema of the agent's answer.

    Raises:
        InputError: with every reason why these cannot be its labels.
    """
    problems = label_problems(output, accepted, forbidden)
    labels = label_assertions(output, accepted, forbidden)
    if not problems and not labels:
        problems.append(f"the answers of {case.agent} are no closed set: write assertions into the file instead")
    if case.status == "retired":
        problems.append("the case is retired; open it again in its file first")
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
    """The case as one that guards the agent; raises InputError where nothing says what is right, or it is retired."""
    if case.status == "retired":
        raise InputError(Problem("a retired case guards nothing; open it again in its file first"))
    if not case.is_labelled:
        raise InputError(Problem("nobody has said what is right", None, "evolve cases label FILE ACTION"))
    return replace(case, status="pinned")


def retire_case(case: FailureCase, reason: str) -> FailureCase:
    """The case as one that counts no more; raises InputError without a reason, or when it is retired already."""
    if not reason.strip():
        raise InputError(Problem("--reason is empty", None, "say why nobody needs this case any more"))
    if case.status == "retired":
        raise InputError(Problem(f"it is retired already: {case.retired_because}"))
    return replace(case, status="retired", retired_because=reason.strip(), waiver=None)


def waive_case(case: FailureCase, until: str, reason: str, today: str) -> FailureCase:
    """The pinned case as one that may be lost until a day.

    Raises:
        InputError: it guards nothing, the day is over, or there is no reason.
    """
    problems = []
    if case.status != "pinned":
        problems.append(Problem(f"only a pinned case can be waived; it is {case.status}"))
    if until < today:
        problems.append(Problem(f"--until {until} is over", None, f"today is {today}"))
    if not reason.strip():
        problems.append(Problem("--reason is empty", None, "say why it may be lost for a time"))
    if problems:
        raise InputError(problems)
    return replace(case, waiver=Waiver(until, reason.strip()))


def redact_again(case: FailureCase, redactor: Redactor) -> FailureCase:
    """The case as this machine would have written it: its own secrets masked too, nothing unseen in it.

    Raises:
        CannotRedact: it could not be searched.
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
