"""An agent's recorded scores, and whether a run of its suite still reaches them, split by split.

A small model always fails some cases of an agent's suite; a run is good when no split falls below its record by more
than a tolerance. The record is that of the agent's own model; `models` in it has one for each further model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve.core.formats.front_matter import split_front_matter
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.events import CaseResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Suite

MODELS = "models"
"""The key of the evidence with other models than the agent's own, by provider id."""
NO_SPLIT = "(none)"
"""The name of the split of cases without `metadata.split`."""
_ROUNDING = 1e-9
"""So that the error of a float subtraction does not fail a split that is exactly at its tolerance."""


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """The recorded result on one split."""

    cases: int
    accuracy: float
    """Share of cases that passed, 0..1."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The part of an agent's `evidence` that a run is compared with."""

    file: str
    tolerance: float
    splits: Mapping[str, SplitRecord]
    model: str = ""
    """The provider id of the model whose record this is; empty for the agent's own."""

    @property
    def source(self) -> str:
        """Where it is recorded, for people."""
        return f"{self.file} for {self.model}" if self.model else self.file


@dataclass(frozen=True, slots=True)
class SplitVerdict:
    """One split of one run, compared with its record."""

    split: str
    cases: int
    passed: int
    errors: int
    """Cases that could not be judged; they make the split fail, because its accuracy is unknown."""
    recorded: SplitRecord | None
    """None if the split has no record."""
    tolerance: float

    @property
    def accuracy(self) -> float:
        """Share of the judged cases that passed."""
        judged = self.cases - self.errors
        return self.passed / judged if judged else 0.0

    @property
    def is_kept(self) -> bool:
        """Whether the split is no worse than its record allows."""
        if self.errors:
            return False
        return self.recorded is None or self.accuracy >= self.recorded.accuracy - self.tolerance - _ROUNDING

    @property
    def text(self) -> str:
        """One line for people."""
        line = f"split {self.split}: {self.passed} of {self.cases} passed ({self.accuracy:.3f})"
        if self.recorded is None:
            return f"{line}; no recorded score"
        line += f", recorded {self.recorded.accuracy:.3f} on {self.recorded.cases}, tolerance {self.tolerance:g}"
        if self.errors:
            return f"{line}; {self.errors} could not be judged"
        return line if self.is_kept else f"{line}: it fell by {self.recorded.accuracy - self.accuracy:.3f}"


def split_of(evaluation: Evaluation) -> str:
    """Return the split that a case belongs to."""
    return str(evaluation.test.metadata.get("split", NO_SPLIT))


def judge(results: Iterable[CaseResult], evidence: Evidence, tolerance: float | None = None) -> list[SplitVerdict]:
    """Return each split of the results against its record, in the record's order; empty splits are left out.

    Args:
        tolerance: how far an accuracy may fall, 0..1; None for the evidence's own.
    """
    by_split: dict[str, list[CaseResult]] = {name: [] for name in evidence.splits}
    for result in results:
        by_split.setdefault(split_of(result.evaluation), []).append(result)
    allowed = evidence.tolerance if tolerance is None else tolerance
    return [_verdict(name, members, evidence, allowed) for name, members in by_split.items() if members]


def _verdict(name: str, results: list[CaseResult], evidence: Evidence, tolerance: float) -> SplitVerdict:
    statuses = [result.status for result in results]
    record = evidence.splits.get(name)
    return SplitVerdict(name, len(statuses), statuses.count("pass"), statuses.count("error"), record, tolerance)


def evidence_path(suite: Suite) -> str | None:
    """Return the agent file that `defaultTest.metadata.evidence` names; None without one."""
    found = suite.tests[0].metadata.get("evidence") if suite.tests else None
    return found if isinstance(found, str) else None


def parse_evidence(text: str, file: str, model: str | None = None) -> Evidence | None:
    """Return the evidence in an agent file's front matter; None when it has no splits of this model.

    Args:
        text: of the agent's file.
        file: its name.
        model: the provider id of the model that answers; None for the agent's own, or for several at once.

    Raises:
        InputError: the front matter is missing or its evidence is malformed, for whichever model.
    """
    front, _ = split_front_matter(text, file)
    given = front.get("evidence")
    if given is None:
        return None
    problems = list(_all_problems(given))
    if problems:
        raise InputError([Problem(f"evidence{message}", Location(file)) for message in problems])
    assert isinstance(given, dict)
    own = str(front.get("model") or "")
    record = evidence_of_model(given, model or own, own)
    splits = record.get("splits")
    if not isinstance(splits, dict):
        return None
    name = model if model is not None and model in _models(given) else ""
    tolerance = _number(record.get("tolerance", given.get("tolerance")), 0.0)
    return Evidence(file, tolerance, {str(key): _record(value) for key, value in splits.items()}, name)


def evidence_of_model(given: JsonValue, model: str, own: str) -> Mapping[str, JsonValue]:
    """Return what an agent's evidence records of one model; empty where it records nothing of it.

    An agent without `models` has one record, for every model: earlier versions could not name others.

    Args:
        given: the agent's `evidence`.
        model: a provider id.
        own: the agent's own model.
    """
    models = _models(given)
    if model in models:
        found = models[model]
        return found if isinstance(found, dict) else {}
    if not isinstance(given, dict) or (models and model != own):
        return {}
    return {key: value for key, value in given.items() if key != MODELS}


def _models(given: JsonValue) -> Mapping[str, JsonValue]:
    models = given.get(MODELS) if isinstance(given, dict) else None
    return models if isinstance(models, dict) else {}


def _all_problems(given: JsonValue) -> Iterable[str]:
    """Yield what is wrong, each after the keys that lead to it."""
    if not isinstance(given, dict):
        yield f": expected a mapping with splits, got {given!r}"
        return
    models = given.get(MODELS, {})
    if not isinstance(models, dict):
        yield f": {MODELS}: expected a mapping of provider ids to their evidence, got {models!r}"
        return
    if not (_is_of_the_gate_alone(given) or (models and "splits" not in given)):
        yield from (f": {text}" for text in _problems(given))
    for name, record in models.items():
        if not _is_of_the_gate_alone(record):
            yield from (f": {MODELS}: {name}: {text}" for text in _problems(record))


def _is_of_the_gate_alone(given: JsonValue) -> bool:
    """Return whether the agent was promoted and its splits were not measured yet."""
    return isinstance(given, dict) and "gate" in given and "splits" not in given


def _problems(given: JsonValue) -> Iterable[str]:
    if not isinstance(given, dict):
        yield f"expected a mapping with splits, got {given!r}"
        return
    if not _is_share(given.get("tolerance", 0.0)):
        yield f"tolerance: expected a number from 0 to 1, got {given['tolerance']!r}"
    splits = given.get("splits")
    if not isinstance(splits, dict) or not splits:
        yield "splits: expected a mapping of each split to its cases and accuracy"
        return
    for name, record in splits.items():
        if (
            not isinstance(record, dict)
            or not _is_share(record.get("accuracy"))
            or not isinstance(record.get("cases"), int)
        ):
            yield f"splits.{name}: expected cases (a whole number) and accuracy (0 to 1), got {record!r}"


def _is_share(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _number(value: JsonValue, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _record(value: JsonValue) -> SplitRecord:
    assert isinstance(value, dict)
    cases = value["cases"]
    return SplitRecord(cases if isinstance(cases, int) else 0, _number(value["accuracy"], 0.0))
