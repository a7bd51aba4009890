"""The table of operators; the first use imports the files of this folder, which register them."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.genome import Genome
from evolve.core.search.population import Candidate
from evolve.core.search.proposals import Refused
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Task


@dataclass(frozen=True, slots=True)
class Situation:
    """What an operator sees. Everything is of the train split."""

    parent: Candidate
    population: Sequence[Candidate]
    tasks: Mapping[str, Task]
    """All train cases by id."""
    shown: Callable[[Task], str]
    """A case as the prompt shows it."""
    odds: LogOdds | None
    """The labelled cases' words; None where answers are not a closed set. Its answers are JSON text."""
    rng: Rng
    answers: tuple[str, ...] = ()
    """Answers of the output schema's enums: instructions that name them must go on naming them."""
    output: Mapping[str, JsonValue] = field(default_factory=dict)
    """The agent's output schema."""

    @property
    def genome(self) -> Genome:
        """The parent's genome."""
        return self.parent.genome

    @property
    def labelled(self) -> list[Task]:
        """The cases with a label, from which demos are made."""
        return [task for task in self.tasks.values() if task.label is not None]

    @property
    def failures(self) -> list[Task]:
        """The cases that the parent did not pass, whatever credit it got, in the order of their ids."""
        return self._where(passed=False)

    @property
    def passes(self) -> list[Task]:
        """The cases that the parent passed, in the order of their ids."""
        return self._where(passed=True)

    def _where(self, *, passed: bool) -> list[Task]:
        known = sorted(self.parent.scores.items())
        return [self.tasks[i] for i, score in known if score.passed is passed and i in self.tasks]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A child's genome, with a short note on what is new in it."""

    genome: Genome
    note: str


Propose: TypeAlias = Callable[[Situation], Proposal | None]
Ask: TypeAlias = Callable[[Situation], Mapping[str, JsonValue] | None]
Limit: TypeAlias = Callable[[Situation], int]
Read: TypeAlias = Callable[[Situation, str], Proposal | Refused]


@dataclass(frozen=True, slots=True)
class Reflecting:
    """How an operator uses the reflector (`agents/ADAPTATION_AGENT.md`)."""

    ask: Ask
    """The adaptation agent's inputs; None where the operator does not apply."""
    read: Read
    """The proposal made from an answer's text, or why it was refused."""
    limit: Limit
    """How many characters the text may have."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to make a child."""

    name: str
    propose: Propose
    """None where it cannot be applied to this parent."""
    prior: tuple[float, float] = (1.0, 1.0)
    """Successes and failures that the bandit counts as seen before."""
    reflecting: Reflecting | None = None
    """Set where the proposal is the reflector's; `propose` is not called then."""


_operators: dict[str, Operator] = {}


def operator(name: str, *, prior: tuple[float, float] = (1.0, 1.0)) -> Callable[[Propose], Propose]:
    """Register the decorated function as an operator that needs no model."""

    def register(propose: Propose) -> Propose:
        _operators[name] = Operator(name, propose, prior)
        return propose

    return register


def reflecting_operator(
    name: str, ask: Ask, limit: Limit, *, prior: tuple[float, float] = (1.0, 1.0)
) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of the reflector's answer to `ask`.

    Args:
        name: the operator's name.
        ask: makes the adaptation agent's inputs.
        limit: how many characters the answer's text may have.
        prior: successes and failures that the bandit counts as seen before.
    """

    def register(read: Read) -> Read:
        _operators[name] = Operator(name, lambda _: None, prior, Reflecting(ask, read, limit))
        return read

    return register


@cache
def known_operators() -> tuple[Operator, ...]:
    """Return all operators, by name."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return tuple(_operators[name] for name in sorted(_operators))
