"""What an assertion sees, and what it says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, Evaluation, Requirement

if TYPE_CHECKING:
    from evolve.core.model.ports import Tools


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pass, a score and a reason. Scores are in 0..1 unless the suite's own code answers another number."""

    passed: bool
    score: float
    reason: str
    components: tuple["Verdict", ...] = ()
    named_scores: Mapping[str, float] = field(default_factory=dict)
    named_weights: Mapping[str, float] = field(default_factory=dict)
    """The weight behind each named score; 1 where it says nothing."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    """What the grader used."""
    requirement: Requirement | None = None
    """The assertion as it was applied: its value is rendered. None on the verdict of a whole test."""
    error: str | None = None
    """Why it could not be evaluated; then `passed` is False and the test is an error."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssertionInput:
    """One assertion applied to one output: all that an assertion function gets."""

    assertion: Assertion
    """Value, threshold and metric are rendered; `file://` values are read."""
    output: JsonValue
    """After the transforms."""
    text: str
    """The output as text: itself when it is a string, else its JSON."""
    answer: Answer
    evaluation: Evaluation
    vars: Mapping[str, JsonValue]
    prompt: str
    """The prompt as it was sent."""
    tools: "Tools"

    @property
    def negated(self) -> bool:
        """Whether the suite says `not-`."""
        return self.assertion.negated

    def verdict(self, holds: bool, reason: str, *, score: float | None = None) -> Verdict:
        """The usual verdict: `holds` before negation, score 1 or 0 unless given; 'Assertion passed' when it passes."""
        passed = holds != self.assertion.negated
        return Verdict(
            passed, (1.0 if passed else 0.0) if score is None else score, "Assertion passed" if passed else reason
        )


@dataclass(frozen=True, slots=True)
class ComparisonInput:
    """One comparing assertion applied to all outputs of one test: all that its function gets.

    The function answers one verdict per output, in their order.
    """

    assertion: Assertion
    outputs: tuple[JsonValue, ...]
    """After the transforms; '' where a provider gave none."""
    verdicts: tuple[Verdict, ...]
    """What the other assertions said of each output."""
    evaluations: tuple[Evaluation, ...]
    vars: Mapping[str, JsonValue]
    """Of the first evaluation; promptfoo renders the criteria's prompt with them."""
    tools: "Tools"


def flatten(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Each verdict followed by its components, all the way down."""
    flat: list[Verdict] = []
    for verdict in verdicts:
        flat.append(verdict)
        if verdict.components:
            flat.extend(
                child if child.requirement else replace(child, requirement=verdict.requirement)
                for child in flatten(verdict.components)
            )
    return tuple(flat)
