"""An agent's recorded scores, and whether a run of its suite still reaches them, split by split.

A small model always fails some cases of an agent's suite; a run is good when no split falls below its record by more
than a tolerance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve.core.formats.front_matter import split_front_matter
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.events import CaseResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Suite

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


def parse_evidence(text: str, file: str) -> Evidence | None:
    """Return the evidence in an agent file's front matter; None when it records none.

    Raises:
        InputError: the front matter is missing or its evidence is malformed.
    """
    front, _ = split_front_matter(text, file)
    given = front.get("evidence")
    if given is None or _is_of_the_gate_alone(given):
        return None
    problems = list(_problems(given))
    if problems:
        raise InputError([Problem(f"evidence: {message}", Location(file)) for message in problems])
    assert isinstance(given, dict)
    splits = given["splits"]
    assert isinstance(splits, dict)
    return Evidence(
        file, _number(given.get("tolerance"), 0.0), {str(name): _record(value) for name, value in splits.items()}
    )


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
