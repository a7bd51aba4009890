"""What several commands take: options that mean the same everywhere, and what words mean as numbers, for `argparse`."""

import re
from argparse import ArgumentTypeError
from typing import Any, Final, NamedTuple, Protocol

_MINUTES: Final = re.compile(r"(\d+(?:\.\d+)?)m")


class _Adds(Protocol):
    """A parser, or a group of its options."""

    def add_argument(self, *names: str, **settings: Any) -> Any: ...


def add_agent(parser: _Adds, text: str, *, default: str | None = None, metavar: str = "NAME|FILE.md") -> None:
    """Adds --agent; `text` says what the command does with it."""
    parser.add_argument("--agent", default=default, metavar=metavar, help=text)


def add_provider(parser: _Adds) -> None:
    """Adds --provider, for commands that ask one agent."""
    text = "who answers; default: EVOLVE_PROVIDER, else the agent's own model"
    parser.add_argument("--provider", metavar="ID", help=text)


def add_reflector(parser: _Adds) -> None:
    """Adds --reflector."""
    text = "a capable model that writes proposals, by the agent ADAPTATION_AGENT; default: EVOLVE_REFLECTOR, else none"
    parser.add_argument("--reflector", metavar="ID", help=text)


def add_json(parser: _Adds, text: str = "the result as one JSON object on stdout, nothing else") -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help=text)


def add_run(parser: _Adds) -> None:
    """Adds RUN, an evolution that the archive has."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="how its id begins; default: the newest run")


class Budget(NamedTuple):
    """How much may be bought: one of the two is None."""

    answers: int | None
    minutes: float | None


def positive(text: str) -> int:
    """A whole number above 0."""
    number = _digits(text)
    if not number:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number


def whole(text: str) -> int:
    """A whole number, 0 included."""
    number = _digits(text)
    if number is None:
        raise ArgumentTypeError(f"{text!r} is no whole number")
    return number


def budget(text: str) -> Budget:
    """A number of answers above 0, or minutes above 0 (`5m`, `0.5m`)."""
    match = _MINUTES.fullmatch(text)
    minutes, answers = (float(match[1]), None) if match else (None, _digits(text))
    if not (minutes or answers):
        raise ArgumentTypeError(f"takes a number of answers, or minutes such as 5m, above 0; got {text!r}")
    return Budget(answers, minutes)


def _digits(text: str) -> int | None:
    """None for what is no number, and for one that Python would not read: it has thousands of digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
