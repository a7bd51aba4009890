"""The numbers at the top of the HTML report: outcomes, latency, tokens and cost of a run, and the same by group."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from evolve.core.javascript.values import to_js_string, to_json
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion
from evolve.core.model.verdicts import Verdict, flatten
from evolve.report.suites.text import assertion_name


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of the calls that were made; answers from the store are left out."""

    calls: int
    p50: float
    p90: float
    p99: float
    longest: float


@dataclass(slots=True)
class Group:
    """The outcomes of one provider, prompt, split, family, ... ."""

    name: str
    passed: int = 0
    failed: int = 0
    errors: int = 0
    score: float = 0.0
    """Sum."""
    latencies_ms: list[float] = field(default_factory=list)
    usages: list[TokenUsage] = field(default_factory=list)
    """Of each answer; summed only where the sum is shown, because summing takes a tenth of a large report's time."""
    cost: float | None = None
    """US dollars; None where no answer reported its cost."""
    priced: int = 0
    """Answers that reported their cost."""

    @property
    def tests(self) -> int:
        """Return how many results the group has."""
        return self.passed + self.failed + self.errors

    @property
    def pass_rate(self) -> float:
        """Return the share of passed results, 0..1; errors count as not passed."""
        return self.passed / self.tests if self.tests else 0.0

    @property
    def mean_score(self) -> float:
        """Return the mean score; errors count as 0."""
        return self.score / self.tests if self.tests else 0.0

    @property
    def tokens(self) -> TokenUsage:
        """Return the sum of all answers."""
        return _sum(self.usages)

    def add(self, result: CaseResult) -> None:
        """Count one more result."""
        self.passed += result.status == "pass"
        self.failed += result.status == "fail"
        self.errors += result.status == "error"
        self.score += result.verdict.score if math.isfinite(result.verdict.score) else 0.0
        answer = result.answer
        if answer is None:
            return
        self.usages.append(answer.tokens)
        if answer.cost is not None:
            self.cost = (self.cost or 0.0) + answer.cost
            self.priced += 1
        if not answer.cached:
            self.latencies_ms.append(result.latency_ms)


@dataclass(frozen=True, slots=True)
class Measure:
    """The assertions of one metric or one type."""

    name: str
    assertions: int
    passed: int
    score: float
    """Mean."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Everything that the top of the report shows."""

    whole: Group
    columns: tuple[Group, ...]
    """Provider x prompt."""
    by_metadata: tuple[tuple[str, tuple[Group, ...]], ...]
    """`split` and `family` first, as far as tests have them; the worst groups first."""
    metrics: tuple[Measure, ...]
    types: tuple[Measure, ...]
    latency: Latency
    stored: int
    """Answers that were not asked for again."""
    graders: TokenUsage


METADATA_KEYS = ("split", "family", "status", "source")
"""Test metadata that groups results; a key counts when its tests have at least two values of it."""


def numbers(run: RunFinished) -> Numbers:
    """Return the numbers of a run."""
    results = [result for _, members in run.results for result in members]
    whole = _one("all", results)
    return Numbers(
        whole=whole,
        columns=tuple(_one(name, members) for name, members in by_column(run).items()),
        by_metadata=tuple(_metadata_groups(results)),
        metrics=_measures(results, lambda verdict: verdict.requirement.metric if verdict.requirement else None),
        types=_measures(results, _type_name),
        latency=latency(whole.latencies_ms),
        stored=sum(result.answer is not None and result.answer.cached for result in results),
        graders=_sum([result.verdict.tokens for result in results]),
    )


def _sum(usages: Sequence[TokenUsage]) -> TokenUsage:
    """The same as `sum`, without a value for each step."""
    return TokenUsage(
        sum(usage.total for usage in usages),
        sum(usage.prompt for usage in usages),
        sum(usage.completion for usage in usages),
        sum(usage.cached for usage in usages),
        sum(usage.requests for usage in usages),
    )


def column_names(run: RunFinished) -> dict[tuple[int, int], str]:
    """Return the name of each column, by the suite's position in the run and the column's number.

    It is provider and prompt, the prompt's label cut to its first line. Columns of several suites with the same
    provider and prompt have one name; other columns whose names would be equal are numbered.
    """
    keys: dict[tuple[str, str, int], str] = {}
    taken: dict[str, int] = {}
    names = {}
    for position, (_, results) in enumerate(run.results):
        columns = {result.evaluation.prompt_index: result.evaluation for result in reversed(results)}
        seen: dict[tuple[str, str], int] = {}
        for number, evaluation in sorted(columns.items()):
            shown = evaluation.provider.name, evaluation.prompt.label
            seen[shown] = seen.get(shown, 0) + 1
            key = (*shown, seen[shown])
            if key not in keys:
                name = _column_name(*shown)
                taken[name] = taken.get(name, 0) + 1
                keys[key] = name if taken[name] == 1 else f"{name} ({taken[name]})"
            names[position, number] = keys[key]
    return names


def _column_name(provider: str, label: str) -> str:
    prompt = label.strip().split("\n", 1)[0]
    return f"{provider} · {prompt[:60]}{'…' if len(prompt) > 60 else ''}"


def by_column(run: RunFinished) -> dict[str, list[CaseResult]]:
    """Return the results of each column, by its name."""
    names = column_names(run)
    found: dict[str, list[CaseResult]] = {}
    for position, (_, results) in enumerate(run.results):
        for result in results:
            found.setdefault(names[position, result.evaluation.prompt_index], []).append(result)
    return found


def _one(name: str, results: Iterable[CaseResult]) -> Group:
    group = Group(name)
    for result in results:
        group.add(result)
    return group


def _groups(results: Iterable[CaseResult], name_of: Callable[[CaseResult], str]) -> tuple[Group, ...]:
    groups: dict[str, Group] = {}
    for result in results:
        name = name_of(result)
        groups.setdefault(name, Group(name)).add(result)
    return tuple(groups.values())


def _metadata_groups(results: Sequence[CaseResult]) -> Iterable[tuple[str, tuple[Group, ...]]]:
    for key in METADATA_KEYS:
        having = [result for result in results if key in result.evaluation.test.metadata]
        found = _groups(having, lambda result: metadata_text(result.evaluation.test.metadata[key]))  # noqa: B023  # used at once
        if len(found) > 1:
            yield key, tuple(sorted(found, key=lambda group: (group.pass_rate, -group.tests)))


def metadata_text(value: JsonValue) -> str:
    """Return a metadata value as filters and tables show it."""
    return to_json(value) if isinstance(value, dict | list) else to_js_string(value)


def _measures(results: Iterable[CaseResult], name_of: Callable[[Verdict], str | None]) -> tuple[Measure, ...]:
    sums: dict[str, list[float]] = {}
    for result in results:
        for verdict in flatten(result.verdict.components):
            name = name_of(verdict)
            if name:
                entry = sums.setdefault(name, [0, 0, 0.0])
                entry[0] += 1
                entry[1] += verdict.passed
                entry[2] += verdict.score if math.isfinite(verdict.score) else 0.0
    found = [Measure(name, int(count), int(passed), score / count) for name, (count, passed, score) in sums.items()]
    return tuple(sorted(found, key=lambda measure: measure.passed / measure.assertions))


def _type_name(verdict: Verdict) -> str | None:
    return assertion_name(verdict) if isinstance(verdict.requirement, Assertion) else None


def latency(values_ms: Sequence[float]) -> Latency:
    """Return percentiles by the nearest rank, so that each is a latency that occurred."""
    ordered = sorted(values_ms)
    if not ordered:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)
    p50, p90, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99))
    return Latency(len(ordered), p50, p90, p99, ordered[-1])
