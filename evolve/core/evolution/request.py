"""The request for an evolution, from the command line or from the queue; one value with a JSON form."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from sys import float_info
from typing import Any, Final

from evolve.core.model.gate import Lane
from evolve.core.model.json_value import JsonValue

DEFAULT_BUDGET: Final = 200
"""Answers. Some minutes on the embedded model, and enough for a race of several candidates and a gate."""

DEFAULT_SEED: Final = 1
"""Any fixed number: without the option, two runs with the same inputs are equal."""

DEFAULT_REFLECTOR_CAP: Final = 30
"""Calls to the reflector, which is often a paid model: bounds the cost of a run with a large budget."""

_MAX_QUOTE: Final = 80
"""Characters of a wrong value in a message."""

OUTPUT_DIR: Final = "reports/evolve"

_LISTS: Final = ("cases", "candidates", "other_reflectors")
"""The fields that are lists of text."""


@dataclass(frozen=True, slots=True)
class EvolutionRequest:
    """What to evolve, on which cases, and with which limits."""

    cases: tuple[str, ...] = ()
    """Failure cases: files or folders."""
    suite: str | None = None
    """The agent's suite; None for the one named in its evidence."""
    agent: str | None = None
    """Name or file; None for the agent named in the cases."""
    candidates: tuple[str, ...] = ()
    """Files of versions of the agent that people wrote."""
    budget: int | None = DEFAULT_BUDGET
    """Limit of paid calls for search and gate together; None when minutes or tokens are given."""
    minutes: float | None = None
    """Instead of a number of answers: how long the model may work on them, added up."""
    tokens: int | None = None
    """Instead of a number of answers: their tokens together, of prompts and answers."""
    seed: int = DEFAULT_SEED
    provider: str | None = None
    reflector: str | None = None
    other_reflectors: tuple[str, ...] = ()
    """Further ones; a bandit chooses between them."""
    reflector_cap: int = DEFAULT_REFLECTOR_CAP
    concurrency: int | None = None
    """Calls in flight at once; None for the provider's default."""
    executor: str | None = None
    """`ray` or `ray:ADDRESS`: the cluster whose nodes ask the provider; None for this process."""
    shrink_budget: int = 0
    """Answers to spend on making new failure cases smaller before the search."""
    small_gate: bool = False
    """Open the gate even if it has too few families to prove an improvement."""
    allow_cut_answers: bool = False
    """Continue although many of the agent's answers end at the token limit."""
    objective: Lane = "better"
    """What the search looks for and the gate tests."""
    output_dir: str = OUTPUT_DIR
    """The folder in which the run's own folder is created."""
    command: str = ""
    """The command that makes this request, for people to repeat it."""

    def words(self) -> list[str]:
        """Return the words after `evolve` that build this request, without `command` and without defaults."""
        pairs = [
            ("agent", self.agent),
            *(("test-case", case) for case in self.cases),
            ("suite", self.suite),
            *(("candidate", file) for file in self.candidates),
            ("budget", None if self.budget == DEFAULT_BUDGET else self.budget_text),
            ("seed", None if self.seed == DEFAULT_SEED else self.seed),
            ("provider", self.provider),
            *(("reflector", name) for name in self.reflectors),
            ("reflector-cap", None if self.reflector_cap == DEFAULT_REFLECTOR_CAP else self.reflector_cap),
            ("shrink-budget", self.shrink_budget or None),
            ("concurrency", self.concurrency),
            ("executor", self.executor),
            ("objective", None if self.objective == "better" else self.objective),
            ("output-dir", None if self.output_dir == OUTPUT_DIR else self.output_dir),
        ]
        words = [word for name, value in pairs if value is not None for word in _option(name, str(value))]
        flags = [("--small-gate", self.small_gate), ("--allow-cut-answers", self.allow_cut_answers)]
        return [*words, *(name for name, is_set in flags if is_set)]

    @property
    def reflectors(self) -> tuple[str, ...]:
        """All reflectors, each once."""
        return tuple(dict.fromkeys((*([self.reflector] if self.reflector else []), *self.other_reflectors)))

    @property
    def budget_text(self) -> str:
        """The budget as `--budget` takes it; empty for none."""
        if self.tokens is not None:
            return f"{self.tokens}-tokens"
        if self.minutes is not None:
            return f"{Decimal(repr(self.minutes)):f}m"
        return "" if self.budget is None else str(self.budget)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the request as a JSON object that `from_json` reads."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    @staticmethod
    def from_json(value: JsonValue) -> "EvolutionRequest":
        """Return the request that `to_json` wrote; missing fields get their defaults.

        Raises:
            ValueError: the value is not a request; with every reason.
        """
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {json.dumps(value)[:_MAX_QUOTE]}")  # noqa: TRY004  # a wrong text
        problems = [
            f"{name}: expected {_FIELDS[name].words}, got {json.dumps(given)[:_MAX_QUOTE]}"
            if name in _FIELDS
            else f"{name}: unknown; known: {', '.join(_FIELDS)}"
            for name, given in value.items()
            if name not in _FIELDS or not _FIELDS[name].holds(given)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        fields: dict[str, Any] = {**value}
        for name in _LISTS:
            if name in fields:
                fields[name] = tuple(fields[name])
        return EvolutionRequest(**fields)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field may hold."""

    words: str
    holds: Callable[[JsonValue], bool]


def _is_whole(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_at_least(value: JsonValue, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_above_0(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= float_info.max


_TEXT = _Kind("text", lambda value: isinstance(value, str))
_TEXT_OR_NONE = _Kind("text or null", lambda value: value is None or isinstance(value, str))
_FLAG = _Kind("true or false", lambda value: isinstance(value, bool))
_WHOLE = _Kind("a whole number", _is_whole)
_COUNT = _Kind("an integer of 0 or more", lambda value: _is_at_least(value, 0))
_POSITIVE = _Kind("a positive integer", lambda value: _is_at_least(value, 1))
_POSITIVE_OR_NONE = _Kind(f"{_POSITIVE.words} or null", lambda value: value is None or _POSITIVE.holds(value))
_TIME_OR_NONE = _Kind("a number above 0 or null", lambda value: value is None or _is_above_0(value))
_EXECUTOR = _Kind("ray, ray:ADDRESS or null", lambda value: value is None or str(value).partition(":")[0] == "ray")
_TEXTS = _Kind("a list of text", lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value))
_OBJECTIVE = _Kind("better or cheaper", lambda value: value in ("better", "cheaper"))
_FIELDS: Final[Mapping[str, _Kind]] = {
    "cases": _TEXTS,
    "suite": _TEXT_OR_NONE,
    "agent": _TEXT_OR_NONE,
    "candidates": _TEXTS,
    "budget": _POSITIVE_OR_NONE,
    "minutes": _TIME_OR_NONE,
    "tokens": _POSITIVE_OR_NONE,
    "seed": _WHOLE,
    "provider": _TEXT_OR_NONE,
    "reflector": _TEXT_OR_NONE,
    "other_reflectors": _TEXTS,
    "reflector_cap": _POSITIVE,
    "concurrency": _POSITIVE_OR_NONE,
    "executor": _EXECUTOR,
    "shrink_budget": _COUNT,
    "small_gate": _FLAG,
    "allow_cut_answers": _FLAG,
    "objective": _OBJECTIVE,
    "output_dir": _TEXT,
    "command": _TEXT,
}


def _option(name: str, value: str) -> list[str]:
    # argparse takes a separate value that begins with a dash for the next option.
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
