"""The events of a run of suites, as values; console, reports, JSON lines and tests listen to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.core.model.run_identity import RunIdentity
from evolve.core.model.suite import Evaluation, Suite
from evolve.core.model.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one evaluation."""

    evaluation: Evaluation
    status: Literal["pass", "fail", "error"]
    verdict: Verdict
    prompt: str
    """The prompt as it was sent; empty when it could not be rendered."""
    vars: Mapping[str, JsonValue]
    answer: Answer | None
    """None when no provider answered."""
    output: JsonValue
    """The output after the transforms."""
    error: str = ""
    error_kind: Literal["", "input", "environment", "evaluation"] = ""
    named_scores: Mapping[str, float] = field(default_factory=dict)
    latency_ms: float = 0.0
    started_s: float = 0.0
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run started."""

    suites: tuple[Suite, ...]
    evaluations: int
    started_s: float


@dataclass(frozen=True, slots=True)
class CaseFinished:
    """An evaluation finished."""

    suite: Suite
    result: CaseResult
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PromptMetrics:
    """Sums over the tests of one prompt and one provider."""

    provider: str
    prompt_label: str
    passed: int
    failed: int
    errors: int
    score: float
    """Sum of the scores."""
    tokens: TokenUsage
    cost: float
    latency_ms: float
    """Sum of the latencies."""
    named_scores: Mapping[str, float]
    named_scores_count: Mapping[str, int]
    named_score_weights: Mapping[str, float] = field(default_factory=dict)
    assertions_passed: int = 0
    assertions_failed: int = 0
    grader_tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run finished."""

    suites: tuple[Suite, ...]
    results: tuple[tuple[Suite, tuple[CaseResult, ...]], ...]
    seconds: float
    started_s: float = 0.0
    """Seconds since the epoch."""
    interrupted: bool = False
    """Stopped by the user; `results` contains the finished evaluations."""
    identity: RunIdentity | None = None
    """None until somebody needs it: the commit is asked of git."""


Event: TypeAlias = RunStarted | CaseFinished | RunFinished
