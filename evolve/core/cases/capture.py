"""Makes a failure case of a failure: redacts it, cleans it, cuts it to size and names it, in this order."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from evolve.core.cases.cutting import cut, cut_text
from evolve.core.cases.failure_case import CaseSource, FailureCase, Kind, to_mapping
from evolve.core.cases.fingerprint import fingerprint
from evolve.core.cases.inert import as_sent, clean
from evolve.core.cases.labels import label_assertions
from evolve.core.cases.redaction import PLACEHOLDER, CannotRedact, Redactor
from evolve.core.cases.same_failure import NOT_LABELLED
from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue

_NO_CASE_SPLITS: Final = frozenset(("val", "gate", "test"))
"""A search sees every case, so a case from one of these splits would leak what they are meant to measure."""

_MAX_REASON: Final = 500
"""Characters of a case's reason, which people read in lists; the vars hold the evidence."""

_MAX_NAME: Final = 200
"""Characters of a case's description and test name, which are shown on one line."""

_MAX_DEPTH: Final = 80
"""Levels of nesting in vars. Redacting, cutting and writing recurse once or more for each level; real reports are
nested far less, and this stays well below Python's limit of 1,000 frames."""

_QUOTED_OUTPUT: Final = re.compile(r",? (?:got|but got|from) [\"'{\[].*\Z", re.DOTALL)
"""The end of a message that quotes the output. It is dropped before naming: the output differs in each answer."""

_ID_KEYS: Final = frozenset((
    "job_id", "alloc_id", "eval_id", "node", "node_id", "image", "namespace", "group", "task", "deployment_id",
    "container_id", "host", "request_id",
))  # fmt: skip
"""Keys of vars whose values identify the failed job. They are not masked: people need them to find the job."""

Render = Callable[[Mapping[str, JsonValue]], str]


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known about a test that failed in its call phase. Nothing is redacted yet."""

    agent: str
    test: str
    """The test's name; unique in its suite or test file."""
    vars: Mapping[str, JsonValue] = field(repr=False)
    prompt: str = field(repr=False)
    """The prompt that was sent; empty when no exchange with an agent was recorded."""
    checks: tuple[str, ...]
    """Names of the assertions that failed, or the exception."""
    reasons: tuple[str, ...] = field(repr=False)
    """The message of each failed check."""
    kind: Kind = "suite"
    description: str = ""
    family: str = ""
    split: str = ""
    agent_title: str = ""
    """NAME@VERSION."""
    provider: str = ""
    output: JsonValue = field(default=None, repr=False)
    accepted: tuple[JsonValue, ...] = ()
    forbidden: tuple[JsonValue, ...] = ()
    assertions: tuple[Mapping[str, JsonValue], ...] = ()
    """The test's assertions, without those that a case must not contain."""
    is_judged_by_them: bool = True
    """Whether a failed check is among `assertions`. If not, the assertions that remain would pass and prove nothing."""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Settings of the call."""
    output_schema: Mapping[str, JsonValue] = field(default_factory=dict)
    """JSON Schema of the agent's answer; it turns the labels into assertions."""
    known_ids: tuple[str, ...] = ()
    """Ids to keep in addition to those that are found in the vars."""
    fingerprint: str = ""
    """Fingerprint of the case, where the failing test is a failure case itself."""


@dataclass(frozen=True, slots=True)
class NotCaptured:
    """A failure that did not become a case, and why."""

    test: str
    reason: str


def make_case(
    failure: Failure, redactor: Redactor, *, today: str, render: Render | None = None
) -> FailureCase | NotCaptured:
    """Return the case for a failure, or the reason why there is none.

    Args:
        redactor: knows the process's secrets; the failure's own ids are added to those it keeps.
        today: the date, as YYYY-MM-DD.
        render: makes the prompt from the redacted vars. Without it the prompt that was sent is redacted instead; if
            its template cut a secret in two, a part of the secret may remain.
    """
    why = _no_case_because(failure)
    if why:
        return NotCaptured(failure.test, why)
    own = redactor.with_ids((*find_known_ids(dict(failure.vars)), *failure.known_ids, failure.agent))
    try:
        redacted = _redact_failure(failure, own)
        case = _case(failure, redacted, today, render)
        if own.leaks(to_mapping(case)):
            return NotCaptured(failure.test, "not written: it would contain a secret from this process's environment")
    except CannotRedact as error:
        return NotCaptured(failure.test, f"not written: {error}")
    return case


def find_known_ids(vars: JsonValue) -> tuple[str, ...]:
    """Return the ids in a failure's vars: the values of `job_id`, `alloc_id`, `node`, `image` and similar keys."""
    return tuple(dict.fromkeys(_ids(vars)))


def _ids(value: JsonValue) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from _ids(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key in _ID_KEYS and isinstance(part, str):
                yield part
            else:
                yield from _ids(part)


def _no_case_because(failure: Failure) -> str:
    if failure.split in _NO_CASE_SPLITS:
        return f"tests of the split {failure.split} are reported, never written as cases"
    if not failure.prompt:
        return "no exchange with an agent was recorded"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", failure.agent, re.ASCII):
        return f"expected an agent's name (letters, digits, '.', '_', '-'), got {failure.agent[:60]!r}"
    if _depth(failure.vars) > _MAX_DEPTH:
        return f"its vars are nested more than {_MAX_DEPTH} levels deep"
    return ""


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            inner
            for part in level
            for inner in (part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ())
        ]
        if deepest > _MAX_DEPTH:
            break
    return deepest


@dataclass(frozen=True, slots=True)
class _Redacted:
    """The parts of a failure, redacted and cleaned but not cut yet."""

    vars: Mapping[str, JsonValue]
    prompt: JsonValue
    words: Mapping[str, str]
    checks: tuple[str, ...]
    reasons: tuple[str, ...]
    settings: Mapping[str, JsonValue]
    assertions: tuple[Mapping[str, JsonValue], ...]
    labels: tuple[JsonValue, JsonValue]


def _redact_failure(failure: Failure, redactor: Redactor) -> _Redacted:
    """Redacts all parts in one call, so that a secret found in one of them is masked in all of them."""
    words = {
        "test": failure.test,
        "description": failure.description or failure.test,
        "family": failure.family,
        "provider": failure.provider,
        "agent": failure.agent_title or failure.agent,
    }
    bundle: JsonValue = {
        "vars": dict(failure.vars),
        "prompt": json_or(failure.prompt, failure.prompt),
        "words": [[name, word] for name, word in words.items()],
        "checks": list(failure.checks),
        "reasons": list(failure.reasons),
        "settings": dict(failure.settings),
        "assertions": [dict(part) for part in failure.assertions],
        "labels": [list(failure.accepted), list(failure.forbidden)],
    }
    safe = clean(redactor.redact(bundle))
    assert isinstance(safe, dict)
    return _Redacted(
        vars=_mapping_or_empty(safe["vars"]),
        prompt=safe["prompt"],
        words={str(pair[0]): str(pair[1]) for pair in _lists(safe["words"])},
        checks=tuple(str(check) for check in _list(safe["checks"])),
        reasons=tuple(str(reason) for reason in _list(safe["reasons"])),
        settings=_mapping_or_empty(safe["settings"]),
        assertions=tuple(_mapping_or_empty(part) for part in _list(safe["assertions"])),
        labels=(_list(safe["labels"])[0], _list(safe["labels"])[1]),
    )


def _case(failure: Failure, redacted: _Redacted, today: str, render: Render | None) -> FailureCase:
    vars = _mapping_or_empty(cut(dict(redacted.vars)))
    accepted, forbidden = tuple(_list(redacted.labels[0])), tuple(_list(redacted.labels[1]))
    name = failure.fingerprint or _name(failure, redacted)
    labels = label_assertions(failure.output_schema, accepted, forbidden)
    whole = tuple(part for part in redacted.assertions if not _is_masked(part))
    is_judged = failure.is_judged_by_them and len(whole) == len(redacted.assertions)
    copied = whole if is_judged or labels else ()
    reason = cut_text("; ".join(dict.fromkeys(redacted.reasons)), _MAX_REASON)
    left_out = "" if is_judged or labels or not failure.is_judged_by_them else NOT_LABELLED
    return FailureCase(
        agent=failure.agent,
        fingerprint=name,
        description=cut_text(redacted.words["description"], _MAX_NAME),
        vars=vars,
        prompt=as_sent(render(vars) if render else _text(cut(redacted.prompt))),
        source=CaseSource(
            kind=failure.kind,
            test=cut_text(redacted.words["test"], _MAX_NAME),
            check=", ".join(dict.fromkeys(redacted.checks)),
            reason=reason + left_out,
            provider=redacted.words["provider"],
            agent=redacted.words["agent"],
            first_seen=today,
        ),
        settings=redacted.settings,
        assertions=(*(part for part in copied if part not in labels), *labels),
        accepted=accepted,
        forbidden=forbidden,
        family=redacted.words["family"] or name,
    )


def _is_masked(assertion: Mapping[str, JsonValue]) -> bool:
    """Whether a secret was masked in it.

    Then it passes or fails whatever the answer is, because no answer has a placeholder. The placeholder's digest cannot
    be compared either: its key never leaves a machine.
    """
    return PLACEHOLDER.search(json.dumps(assertion, ensure_ascii=False)) is not None


def _name(failure: Failure, redacted: _Redacted) -> str:
    output = failure.output if isinstance(failure.output, str) else json.dumps(failure.output, ensure_ascii=False)
    messages = [_QUOTED_OUTPUT.sub("", reason.replace(output, "") if output else reason) for reason in redacted.reasons]
    return fingerprint(failure.agent, redacted.words["test"], redacted.checks, messages)


def _text(prompt: JsonValue) -> str:
    return prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)


def _mapping_or_empty(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _lists(value: JsonValue) -> list[list[JsonValue]]:
    return [_list(part) for part in _list(value)]
