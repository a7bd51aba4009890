"""What somebody asks of an evolution, from the command line or by way of the queue; one value with a JSON form."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from evolve.core.model.json_value import JsonValue

DEFAULT_BUDGET: Final = 200
DEFAULT_SEED: Final = 1
DEFAULT_REFLECTOR_CAP: Final = 30
OUTPUT_DIR: Final = "reports/evolve"


@dataclass(frozen=True, slots=True)
class EvolutionRequest:
    """What is to be evolved, on which cases, and at what cost."""

    cases: tuple[str, ...] = ()
    """Failure cases: files or folders."""
    suite: str | None = None
    """The agent's suite; None for the one that its evidence names."""
    agent: str | None = None
    """Name or file; None for the agent that the cases name."""
    budget: int | None = DEFAULT_BUDGET
    """Answers that search and gate may buy together; None where minutes are given."""
    minutes: float | None = None
    """In place of a budget: as many answers as this time allows, as measured."""
    seed: int = DEFAULT_SEED
    provider: str | None = None
    reflector: str | None = None
    reflector_cap: int = DEFAULT_REFLECTOR_CAP
    concurrency: int | None = None
    """Questions in flight at once; None for what suits the provider."""
    shrink_budget: int = 0
    """Answers for making new failure cases smaller first."""
    small_gate: bool = False
    """Open the gate even if it has too few families to prove anything."""
    allow_cut_answers: bool = False
    """Go on though many of the agent's answers end at the token limit."""
    output_dir: str = OUTPUT_DIR
    """Where the run's folder goes."""
    command: str = ""
    """The command that asks for this again, for people."""

    def words(self) -> list[str]:
        """Return the words that make `evolve` build this request, but for `command`; defaults are left out."""
        budget = None if self.budget == DEFAULT_BUDGET else self.budget
        minutes = None if self.minutes is None else f"{Decimal(repr(self.minutes)):f}m"
        pairs = [
            ("agent", self.agent),
            *(("test-case", case) for case in self.cases),
            ("suite", self.suite),
            ("budget", budget if minutes is None else minutes),
            ("seed", None if self.seed == DEFAULT_SEED else self.seed),
            ("provider", self.provider),
            ("reflector", self.reflector),
            ("reflector-cap", None if self.reflector_cap == DEFAULT_REFLECTOR_CAP else self.reflector_cap),
            ("shrink-budget", self.shrink_budget or None),
            ("concurrency", self.concurrency),
            ("output-dir", None if self.output_dir == OUTPUT_DIR else self.output_dir),
        ]
        words = [word for name, value in pairs if value is not None for word in _option(name, str(value))]
        flags = [("--small-gate", self.small_gate), ("--allow-cut-answers", self.allow_cut_answers)]
        return [*words, *(name for name, is_set in flags if is_set)]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the request as a JSON object that `from_json` reads."""
        return {**asdict(self), "cases": list(self.cases)}

    @staticmethod
    def from_json(value: JsonValue) -> "EvolutionRequest":
        """Return the request that `to_json` wrote; fields that are missing have their defaults.

        Raises:
            ValueError: the value is no request; with every reason.
        """
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {json.dumps(value)[:80]}")  # noqa: TRY004  # a wrong text
        problems = [
            f"{name}: expected {_FIELDS[name].words}, got {json.dumps(given)[:80]}"
            if name in _FIELDS
            else f"{name}: unknown; known: {', '.join(_FIELDS)}"
            for name, given in value.items()
            if name not in _FIELDS or not _FIELDS[name].holds(given)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        fields: dict[str, Any] = {**value}
        if "cases" in fields:
            fields["cases"] = tuple(fields["cases"])
        return EvolutionRequest(**fields)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field may hold."""

    words: str
    holds: Callable[[JsonValue], bool]


def _is_whole(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: JsonValue) -> bool:
    return _is_whole(value) or (isinstance(value, float) and isfinite(value))


_TEXT = _Kind("text", lambda value: isinstance(value, str))
_TEXT_OR_NONE = _Kind("text or null", lambda value: value is None or isinstance(value, str))
_FLAG = _Kind("true or false", lambda value: isinstance(value, bool))
_WHOLE = _Kind("a whole number", _is_whole)
_WHOLE_OR_NONE = _Kind("a whole number or null", lambda value: value is None or _is_whole(value))
_NUMBER_OR_NONE = _Kind("a number or null", lambda value: value is None or _is_number(value))
_FLAG = _Kind("true or false", lambda value: isinstance(value, bool))
_TEXTS = _Kind("a list of text", lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value))
_FIELDS: Final[Mapping[str, _Kind]] = {
    "cases": _TEXTS,
    "suite": _TEXT_OR_NONE,
    "agent": _TEXT_OR_NONE,
    "budget": _WHOLE_OR_NONE,
    "minutes": _NUMBER_OR_NONE,
    "seed": _WHOLE,
    "provider": _TEXT_OR_NONE,
    "reflector": _TEXT_OR_NONE,
    "reflector_cap": _WHOLE,
    "concurrency": _WHOLE_OR_NONE,
    "shrink_budget": _WHOLE,
    "small_gate": _FLAG,
    "allow_cut_answers": _FLAG,
    "output_dir": _TEXT,
    "command": _TEXT,
}


def _option(name: str, value: str) -> list[str]:
    # A value that begins with a dash would be taken for the next option.
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
