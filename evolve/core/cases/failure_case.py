"""A failure case as a value, and its file: a suite with one test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from evolve.core.cases.case_format import check_mapping, check_text
from evolve.core.cases.inert import inert, inert_prompt, inert_value, plain_prompt, plain_value
from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.json_value import JsonValue

Status: TypeAlias = Literal["open", "pinned", "retired", "flaky"]
"""open: evolution tries to fix it. pinned: a promotion must not break it. retired: a person took it out of use.
flaky: it did not reproduce, so it is not used."""

Kind: TypeAlias = Literal["suite", "pytest", "incident"]

_UNLABELLED = "unlabelled: no label says which answer is right (evolve cases label)"
_HEADER = "# Written by evolve from a failure; docs/failure-cases.md explains each key.\n"


@dataclass(frozen=True, slots=True)
class CaseSource:
    """Where a case came from."""

    kind: Kind
    test: str
    check: str
    """What failed: metrics or types of assertions, or the exception."""
    reason: str
    provider: str
    agent: str
    """NAME@VERSION."""
    first_seen: str
    """The date, as YYYY-MM-DD."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A person's permission for a promotion to break a pinned case, for a limited time."""

    until: str
    """The last day, as YYYY-MM-DD."""
    reason: str


@dataclass(frozen=True, slots=True)
class FailureCase:
    """One test of one agent, made from a real failure. Texts are redacted and cleaned, otherwise as captured.

    Texts in the file are escaped so that they are inert; texts in this value are not.
    """

    agent: str
    fingerprint: str
    description: str
    vars: Mapping[str, JsonValue]
    """The agent's inputs."""
    prompt: str
    """The prompt that was sent, in the form that `as_sent` returns."""
    source: CaseSource
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Settings of the call, such as `response_format`."""
    assertions: tuple[Mapping[str, JsonValue], ...] = ()
    """What an answer must fulfil, as in the file, including the assertions made from the labels."""
    accepted: tuple[JsonValue, ...] = ()
    """Right answers, the best first."""
    forbidden: tuple[JsonValue, ...] = ()
    """Answers that would do harm."""
    family: str = ""
    status: Status = "open"
    retired_because: str = ""
    is_settled: bool = False
    """The failure was reproduced and the case is as small as it will get."""
    waiver: Waiver | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether labels or assertions say which answer is right. A case without them is neither used nor a demo."""
        return bool(self.accepted or self.assertions)

    def guards(self, today: str) -> bool:
        """Return whether a candidate that fails the case must not be promoted today.

        Args:
            today: the date, as YYYY-MM-DD.
        """
        return self.status == "pinned" and (self.waiver is None or self.waiver.until < today)

    @property
    def drives_evolution(self) -> bool:
        """Whether a search should make the agent pass it."""
        return self.status == "open" and self.is_labelled

    @property
    def split(self) -> Literal["train"]:
        """Always train: failures of val and gate tests never become cases."""
        return "train"


def to_mapping(case: FailureCase) -> dict[str, JsonValue]:
    """Return the case as the suite that `from_mapping` reads: escaped, with keys in the order in which people read."""
    prompt: dict[str, JsonValue] = {"raw": inert_prompt(case.prompt), "label": inert(case.source.agent)}
    if case.settings:
        prompt["config"] = inert_value(dict(case.settings))
    test: dict[str, JsonValue] = {
        "description": case.description,
        "vars": dict(case.vars),
        "options": {"disableVarExpansion": True},
    }
    if case.assertions:
        test["assert"] = [dict(assertion) for assertion in case.assertions]
    test["metadata"] = _metadata(case)
    return {
        "description": inert_value(f"{case.agent}: {case.description}"),
        "prompts": [prompt],
        "tests": [inert_value(test)],
    }


def to_text(case: FailureCase) -> str:
    """Return the text of the case's file."""
    return _HEADER + dump_yaml(to_mapping(case))


def from_mapping(mapping: Mapping[str, JsonValue], file: str) -> FailureCase:
    """Return the case of a parsed file.

    Raises:
        InputError: with every problem; messages name `file`.
    """
    return _build(check_mapping(dict(mapping), file))


def from_text(text: str, file: str) -> FailureCase:
    """Return the case of a file's text.

    Raises:
        InputError: with every problem, sorted by line and column.
    """
    return _build(check_text(text, file))


def _metadata(case: FailureCase) -> dict[str, JsonValue]:
    source = case.source
    metadata: dict[str, JsonValue] = {
        "agent": case.agent,
        "family": case.family or case.fingerprint,
        "split": case.split,
        "accepted": list(case.accepted),
        "forbidden": list(case.forbidden),
        "status": case.status,
    }
    if case.retired_because:
        metadata["reason"] = case.retired_because
    why = _reason_to_skip(case)
    if why:
        metadata["skip"] = why
    if case.waiver:
        metadata["waived"] = {"until": case.waiver.until, "reason": case.waiver.reason}
    if case.is_settled:
        metadata["settled"] = True
    metadata["fingerprint"] = case.fingerprint
    metadata["source"] = {
        "kind": source.kind,
        "test": source.test,
        "check": source.check,
        "reason": source.reason,
        "provider": source.provider,
        "agent": source.agent,
        "first_seen": source.first_seen,
    }
    return metadata


def _reason_to_skip(case: FailureCase) -> str:
    """Returns why a run of suites skips the case; empty when it does not."""
    if case.status == "retired":
        return f"retired: {case.retired_because}"
    if case.status == "flaky":
        return "flaky: it did not reproduce"
    return "" if case.is_labelled else _UNLABELLED


def _build(mapping: Mapping[str, JsonValue]) -> FailureCase:
    """Builds the case of a mapping that was checked."""
    (prompt,), (escaped,) = _list(mapping["prompts"]), _list(mapping["tests"])
    shown, test = _mapping_or_empty(prompt), _mapping_or_empty(plain_value(escaped))
    metadata, assertions = _mapping_or_empty(test["metadata"]), _list(test.get("assert"))
    return FailureCase(
        agent=str(metadata["agent"]),
        fingerprint=str(metadata["fingerprint"]),
        description=str(test.get("description", "")),
        vars=_mapping_or_empty(test["vars"]),
        prompt=plain_prompt(str(shown["raw"])),
        source=_source(_mapping_or_empty(metadata["source"])),
        settings=_mapping_or_empty(plain_value(shown.get("config"))),
        assertions=tuple(_mapping_or_empty(part) for part in assertions),
        accepted=tuple(_list(metadata["accepted"])),
        forbidden=tuple(_list(metadata["forbidden"])),
        family=str(metadata["family"]),
        status=_STATUSES[str(metadata["status"])],
        retired_because=str(metadata.get("reason", "")),
        is_settled=metadata.get("settled") is True,
        waiver=_waiver(_mapping_or_empty(metadata.get("waived"))),
    )


def _waiver(given: Mapping[str, JsonValue]) -> Waiver | None:
    return Waiver(str(given["until"]), str(given["reason"])) if given else None


def _source(given: Mapping[str, JsonValue]) -> CaseSource:
    words = {name: str(given[name]) for name in ("test", "check", "reason", "provider", "agent", "first_seen")}
    return CaseSource(kind=_KINDS[str(given["kind"])], **words)


_STATUSES: Mapping[str, Status] = {"open": "open", "pinned": "pinned", "retired": "retired", "flaky": "flaky"}
_KINDS: Mapping[str, Kind] = {"suite": "suite", "pytest": "pytest", "incident": "incident"}


def _mapping_or_empty(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


__all__ = ["CaseSource", "FailureCase", "Kind", "Status", "from_mapping", "from_text", "to_mapping", "to_text"]
