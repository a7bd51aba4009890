"""What a run may pay for: answers, tokens, or seconds in which the model works; and what it has used.

An answer's tokens and seconds are known when it is there. So before a question is asked, the most that its answer can
use must be left, and what it did not use is left for others. What is stored with an answer is what counts: a run that
begins again uses the same.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.evolution_events import BudgetUnit
from evolve.core.model.json_value import JsonValue

ANSWER_LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")
"""Settings of a call that limit the tokens of its answer."""
_MESSAGE_TOKENS = 16
"""That a chat template adds to a message, at most; most add four."""
_SLOW_TOKEN = 20
"""An embedded model reads so many bytes of a prompt in the time in which it writes one token."""
_UNKNOWN_LIMIT = 256
"""Tokens of an answer without a limit, where seconds are estimated; a budget in tokens needs a limit."""
_FASTEST_S = 1e-3
"""Seconds of an answer, at least: a provider that answers at once must not turn minutes into an endless budget."""
_MARGIN = 2.0
"""The winner's answers may be so much longer than those so far: demos and thoughts cost tokens."""


@dataclass(frozen=True, slots=True)
class Work:
    """The size of a question, known before it is asked."""

    prompt: int
    """Its tokens at most: no tokenizer makes more of them than there are bytes."""
    answer: int
    """Tokens of its answer at most."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the size of a request to a model."""
        messages = request.prompt.count('"role"') + 1
        # A schema becomes a part of the prompt at some endpoints.
        size = len(request.prompt.encode()) + len(json.dumps(dict(request.config)).encode())
        return cls(size + _MESSAGE_TOKENS * messages, answer_limit(request.config) or _UNKNOWN_LIMIT)

    @property
    def time(self) -> int:
        """How long it takes at most, compared with other questions."""
        return self.prompt + _SLOW_TOKEN * self.answer


def answer_limit(config: Mapping[str, JsonValue]) -> int:
    """Return the limit of an answer's tokens in the settings of a call; 0 without one."""
    return next((value for name in ANSWER_LIMITS if isinstance(value := config.get(name), int)), 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """What an answer uses at most, by what was known at one moment of the run."""

    unit: BudgetUnit = "answers"
    slowest: float = 0.0
    """Seconds for each unit of `Work.time`: those of the slowest answer so far."""

    def most(self, work: Work) -> float:
        """Return the most that the answer can use. Seconds are those of the slowest answer so far."""
        if self.unit == "answers":
            return 1
        return work.prompt + work.answer if self.unit == "tokens" else self.slowest * work.time

    def used(self, answer: Answer, work: Work, seconds: float) -> float:
        """Return what an answer used; tokens that a provider does not report are the most that it can have used."""
        if self.unit == "answers":
            return 1
        return max(seconds, _FASTEST_S) if self.unit == "seconds" else answer.tokens.total or self.most(work)


@dataclass(slots=True)
class Budget:
    """What a run may pay for, and what it has used."""

    total: float
    """In the unit; so are `used`, `reserved` and `left`."""
    unit: BudgetUnit = "answers"
    used: float = 0
    spent: int = 0
    """Answers paid for."""
    free: int = 0
    repeated: int = 0
    reserved: float = 0
    """Kept back for later stages of the run."""
    tokens: TokenUsage = field(default_factory=TokenUsage)
    cost: float | None = None
    expected: float = 1
    """What an answer is expected to use, from a measurement before the run."""
    slowest: float = 0.0
    """See `Rates.slowest`."""
    answer_s: float = 0.0
    """How long the model worked on the answers, added up."""

    @property
    def left(self) -> float:
        """What can be used now."""
        return self.total - self.reserved - self.used

    @property
    def rates(self) -> Rates:
        """What an answer uses at most, by what is known now."""
        return Rates(self.unit, self.slowest)

    @property
    def each(self) -> float:
        """What an answer uses on average."""
        if self.unit == "answers":
            return 1
        return max(self.expected, self.used / self.spent) if self.spent else self.expected

    def part(self, share: float) -> float:
        """Return a share of the whole budget; whole answers."""
        return round(self.total * share) if self.unit == "answers" else self.total * share

    def of_answers(self, number: int) -> float:
        """Return what so many answers of later stages are expected to use, with a margin."""
        return number if self.unit == "answers" else number * self.each * _MARGIN

    def in_answers(self, amount: float) -> int:
        """Return how many answers an amount is expected to pay for."""
        return int(amount) if self.unit == "answers" else int(amount / self.each) if self.each else 0

    def pay(self, answer: Answer, work: Work, seconds: float) -> None:
        """Count an answer that was paid for.

        Args:
            answer: what was received.
            work: the size of its question.
            seconds: how long the model worked on it.
        """
        self.spent += 1
        self.used += self.rates.used(answer, work, seconds)
        self.answer_s += seconds
        self.tokens += answer.tokens
        if answer.cost is not None:
            self.cost = (self.cost or 0.0) + answer.cost

    def see(self, work: Work, seconds: float) -> None:
        """Take note of how long an answer took, whichever run paid for it."""
        self.slowest = max(self.slowest, max(seconds, _FASTEST_S) / work.time)

    @property
    def is_measured(self) -> bool:
        """Whether it is known what the next answers use at most; before, one is asked at a time."""
        return self.unit != "seconds" or self.slowest > 0


def first_within(amount: float, most: Iterable[float]) -> int:
    """Return how many of the first questions an amount pays for, whatever their answers use; it reads no more."""
    number = 0
    for one in most:
        amount -= one
        if amount < 0:
            break
        number += 1
    return number
