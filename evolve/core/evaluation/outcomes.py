"""The meaning of a suite's results: failures, expected failures, and failures that its evidence tolerates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.core.evaluation.evidence import Evidence, SplitVerdict, judge, split_of
from evolve.core.model.errors import ExitCode
from evolve.core.model.events import CaseResult
from evolve.core.model.suite import Evaluation, Suite


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """One suite's results, sorted by what they mean. The lists hold no result twice."""

    suite: Suite
    results: tuple[CaseResult, ...]
    passed: int
    failures: tuple[CaseResult, ...]
    """Failed, neither expected nor tolerated."""
    errors: tuple[CaseResult, ...]
    known: tuple[CaseResult, ...]
    """Failed in a split that is no worse than its record."""
    expected: tuple[CaseResult, ...]
    """Failed, as `metadata.xfail` says they do."""
    splits: tuple[SplitVerdict, ...] = ()
    skipped: int = 0

    @property
    def is_good(self) -> bool:
        """Whether there are no failures, no errors, and no split below its record."""
        return not self.failures and not self.errors and all(split.is_kept for split in self.splits)

    @property
    def to_repeat(self) -> tuple[CaseResult, ...]:
        """The results to run again: failures and errors."""
        return (*self.failures, *self.errors)


def outcome(
    suite: Suite,
    results: Sequence[CaseResult],
    *,
    evidence: Evidence | None = None,
    complete: frozenset[str] = frozenset(),
    skipped: int = 0,
) -> SuiteOutcome:
    """Sort a suite's results by what they mean.

    Args:
        suite: the suite of the results.
        results: of all its evaluations that ran.
        evidence: the recorded scores; None to tolerate no failure.
        complete: the splits whose cases all ran; only they are compared with the evidence. In other splits each failure
            counts.
        skipped: how many evaluations did not run because of `metadata.skip`.
    """
    judged = [item for item in results if evidence and split_of(item.evaluation) in complete]
    splits = tuple(judge(judged, evidence)) if evidence else ()
    tolerated = {verdict.split for verdict in splits if verdict.is_kept and verdict.recorded is not None}
    failures, known, expected = [], [], []
    for result in results:
        if result.status != "fail":
            continue
        if is_expected_to_fail(result.evaluation):
            expected.append(result)
        elif split_of(result.evaluation) in tolerated:
            known.append(result)
        else:
            failures.append(result)
    return SuiteOutcome(
        suite,
        tuple(results),
        sum(result.status == "pass" for result in results),
        tuple(failures),
        tuple(result for result in results if result.status == "error"),
        tuple(known),
        tuple(expected),
        splits,
        skipped,
    )


def complete_splits(everything: Iterable[Evaluation], selected: Iterable[Evaluation]) -> frozenset[str]:
    """Return the splits that a selection holds completely."""
    chosen = Counter(split_of(evaluation) for evaluation in selected)
    whole = Counter(split_of(evaluation) for evaluation in everything)
    return frozenset(name for name, count in whole.items() if chosen[name] == count)


def is_expected_to_fail(evaluation: Evaluation) -> bool:
    """Return whether the test has `metadata.xfail`."""
    return bool(evaluation.test.metadata.get("xfail"))


def skip_reason(evaluation: Evaluation) -> str | None:
    """Return why the test is skipped (`metadata.skip`); None if it is not."""
    value = evaluation.test.metadata.get("skip")
    return None if not value else value if isinstance(value, str) else "metadata.skip"


def exit_code(outcomes: Iterable[SuiteOutcome]) -> ExitCode:
    """Return the exit code; a fault of the environment comes first, because it makes the other results doubtful."""
    found = tuple(outcomes)
    kinds = {result.error_kind for item in found for result in item.errors}
    if "environment" in kinds:
        return ExitCode.ENVIRONMENT
    if "input" in kinds:
        return ExitCode.INPUT
    return ExitCode.DONE if all(item.is_good for item in found) else ExitCode.FAILURES
