"""From a failure to its case: redacted, cleaned, cut to size and named, in this order."""

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
from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue

_NO_CASE_SPLITS: Final = frozenset(("val", "gate"))
_MAX_REASON: Final = 500
_MAX_NAME: Final = 200
_MAX_DEPTH: Final = 80
_QUOTED_OUTPUT: Final = re.compile(r",? (?:got|but got|from) [\"'{\[].*\Z", re.DOTALL)
"""The end of a message that quotes the output, which differs from one answer to the next."""

_ID_KEYS: Final = frozenset((
    "job_id", "alloc_id", "eval_id", "node", "node_id", "image", "namespace", "group", "task", "deployment_id",
    "container_id", "host", "request_id",
))  # fmt: skip
"""Keys of vars whose values are ids of the failure's own record."""

Render = Callable[[Mapping[str, JsonValue]], str]


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a test that failed in its call phase, as it was: nothing is redacted yet."""

    agent: str
    test: str
    """The test's name; unique where it stands."""
    vars: Mapping[str, JsonValue] = field(repr=False)
    prompt: str = field(repr=False)
    """What was sent; empty when no exchange with an agent was recorded."""
    checks: tuple[str, ...]
    """What failed."""
    reasons: tuple[str, ...] = field(repr=False)
    """What each of them said."""
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
    """Those of the test's that a case may carry."""
    is_judged_by_them: bool = True
    """Whether what failed is among `assertions`: what is left when it is not would pass, and says nothing."""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of the call."""
    output_schema: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of the agent's answer; makes assertions of the labels."""
    known_ids: tuple[str, ...] = ()
    """Ids that stay, beside those that are found in the vars."""
    fingerprint: str = ""
    """Of the case that failed, where the failing test is a failure case itself."""


@dataclass(frozen=True, slots=True)
class NotCaptured:
    """A failure that became no case, and why."""

    test: str
    reason: str


def make_case(
    failure: Failure, redactor: Redactor, *, today: str, render: Render | None = None
) -> FailureCase | NotCaptured:
    """The case of a failure, or why there is none.

    Args:
        redactor: knows the process's secrets; the failure's own ids are added.
        today: the day, as YYYY-MM-DD.
        render: makes the prompt of the redacted vars. Without it the prompt that was sent is redacted; a part of a
            secret that its template cut off would stay in it.
    """
    why = _no_case_because(failure)
    if why:
        return NotCaptured(failure.test, why)
    own = redactor.with_ids((*find_known_ids(dict(failure.vars)), *failure.known_ids, failure.agent))
    try:
        told = _redact_failure(failure, own)
        case = _case(failure, told, today, render)
        if own.leaks(to_mapping(case)):
            return NotCaptured(failure.test, "a secret of this process's environment would stand in it")
    except CannotRedact as error:
        return NotCaptured(failure.test, f"not written: {error}")
    return case


def find_known_ids(vars: JsonValue) -> tuple[str, ...]:
    """The ids of the failure's own record: what stands under `job_id`, `alloc_id`, `node`, `image` ... in its vars."""
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
        return f"{failure.agent[:60]!r} is no agent's name"
    if _depth(failure.vars) > _MAX_DEPTH:
        return f"its vars are nested deeper than {_MAX_DEPTH} levels"
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
class _Told:
    """What may be told of a failure: redacted and clean, not cut yet."""

    vars: Mapping[str, JsonValue]
    prompt: JsonValue
    words: Mapping[str, str]
    reasons: tuple[str, ...]
    assertions: tuple[Mapping[str, JsonValue], ...]
    labels: tuple[JsonValue, JsonValue]


def _redact_failure(failure: Failure, redactor: Redactor) -> _Told:
    """Redacts everything at once: what is found in one place is masked in all of them."""
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
        "reasons": list(failure.reasons),
        "assertions": [dict(part) for part in failure.assertions],
        "labels": [list(failure.accepted), list(failure.forbidden)],
    }
    safe = clean(redactor.redact(bundle))
    assert isinstance(safe, dict)
    return _Told(
        vars=_mapping_or_empty(safe["vars"]),
        prompt=safe["prompt"],
        words={str(pair[0]): str(pair[1]) for pair in _lists(safe["words"])},
        reasons=tuple(str(reason) for reason in _list(safe["reasons"])),
        assertions=tuple(_mapping_or_empty(part) for part in _list(safe["assertions"])),
        labels=(_list(safe["labels"])[0], _list(safe["labels"])[1]),
    )


def _case(failure: Failure, told: _Told, today: str, render: Render | None) -> FailureCase:
    vars = _mapping_or_empty(cut(dict(told.vars)))
    accepted, forbidden = tuple(_list(told.labels[0])), tuple(_list(told.labels[1]))
    name = failure.fingerprint or _name(failure, told)
    labels = label_assertions(failure.output_schema, accepted, forbidden)
    copied = told.assertions if failure.is_judged_by_them or labels else ()
    return FailureCase(
        agent=failure.agent,
        fingerprint=name,
        description=cut_text(told.words["description"], _MAX_NAME),
        vars=vars,
        prompt=as_sent(render(vars) if render else _text(cut(told.prompt))),
        source=CaseSource(
            kind=failure.kind,
            test=cut_text(told.words["test"], _MAX_NAME),
            check=", ".join(dict.fromkeys(failure.checks)),
            reason=cut_text("; ".join(dict.fromkeys(told.reasons)), _MAX_REASON),
            provider=told.words["provider"],
            agent=told.words["agent"],
            first_seen=today,
        ),
        settings=failure.settings,
        assertions=(*(part for part in copied if part not in labels), *labels),
        accepted=accepted,
        forbidden=forbidden,
        family=told.words["family"] or name,
    )


def _name(failure: Failure, told: _Told) -> str:
    output = failure.output if isinstance(failure.output, str) else json.dumps(failure.output, ensure_ascii=False)
    messages = [_QUOTED_OUTPUT.sub("", reason.replace(output, "") if output else reason) for reason in told.reasons]
    return fingerprint(failure.agent, told.words["test"], failure.checks, messages)


def _text(prompt: JsonValue) -> str:
    return prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)


def _mapping_or_empty(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _lists(value: JsonValue) -> list[list[JsonValue]]:
    return [_list(part) for part in _list(value)]
