"""The input of an assertion and its verdict, as values."""

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
    """Whether an assertion passed, with score and reason. Scores are 0..1 unless a suite's own code returns others."""

    passed: bool
    score: float
    reason: str
    components: tuple["Verdict", ...] = ()
    named_scores: Mapping[str, float] = field(default_factory=dict)
    named_weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of each named score; 1 where there is none."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    """Tokens of the grader."""
    requirement: Requirement | None = None
    """The assertion as it was applied, with its value rendered. None for the verdict of a whole test."""
    error: str | None = None
    """Why it could not be evaluated; then `passed` is False and the test is an error."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssertionInput:
    """The input of an assertion's function: one assertion and one output."""

    assertion: Assertion
    """With value, threshold and metric rendered and `file://` values read."""
    output: JsonValue
    """The output after the transforms."""
    text: str
    """The output as text: a string itself, anything else as JSON."""
    answer: Answer
    evaluation: Evaluation
    vars: Mapping[str, JsonValue]
    prompt: str
    """The prompt as it was sent."""
    tools: "Tools"

    @property
    def negated(self) -> bool:
        """Whether the type in the suite begins with `not-`."""
        return self.assertion.negated

    def verdict(self, holds: bool, reason: str, *, score: float | None = None) -> Verdict:
        """Return the usual verdict.

        Args:
            holds: whether the condition holds, before negation.
            reason: why it fails; a verdict that passes says "Assertion passed".
            score: None for 1 when it passes and 0 when it fails.
        """
        passed = holds != self.assertion.negated
        return Verdict(
            passed, (1.0 if passed else 0.0) if score is None else score, "Assertion passed" if passed else reason
        )


@dataclass(frozen=True, slots=True)
class ComparisonInput:
    """The input of a comparing assertion's function: one assertion and all outputs of one test.

    The function returns one verdict for each output, in their order.
    """

    assertion: Assertion
    outputs: tuple[JsonValue, ...]
    """The outputs after the transforms; '' where a provider gave none."""
    verdicts: tuple[Verdict, ...]
    """The verdict of the other assertions on each output."""
    evaluations: tuple[Evaluation, ...]
    vars: Mapping[str, JsonValue]
    """The vars of the first evaluation; promptfoo renders the criteria's prompt with them."""
    tools: "Tools"


def flatten(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return each verdict followed by its components, recursively."""
    flat: list[Verdict] = []
    for verdict in verdicts:
        flat.append(verdict)
        if verdict.components:
            flat.extend(
                child if child.requirement else replace(child, requirement=verdict.requirement)
                for child in flatten(verdict.components)
            )
    return tuple(flat)
