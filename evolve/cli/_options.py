"""Options that several commands have, with the same meaning everywhere, and their argument types for `argparse`."""

import re
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Mapping, Sequence
from functools import partial
from math import isinf
from typing import Any, Final, Literal, NamedTuple, Protocol

_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)([smh])")
"""`5m`, `90s`, `1.5h`."""
_TOKENS: Final = re.compile(r"(\d+(?:\.\d+)?)([kM]?)-?tokens")
"""`200k-tokens`, `1.5M-tokens`, `50000-tokens`."""
_MINUTES_OF: Final = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_THOUSANDS: Final = {"": 1, "k": 1000, "M": 1_000_000}
COMPLETES: Final = "completes"
"""The attribute of an action that says whether a shell completes the names of files or of folders."""


class _Adds(Protocol):
    """A parser, or a group of its options."""

    def add_argument(self, *names: str, **settings: Any) -> Any: ...


def add_agent(parser: _Adds, text: str, *, default: str | None = None) -> None:
    """Add --agent; `text` says what the command does with it."""
    complete(parser.add_argument("--agent", default=default, metavar="NAME|FILE.md", help=text), "file")


def add_provider(parser: _Adds) -> None:
    """Add --provider, for commands that ask one agent."""
    text = "the provider that answers; default: EVOLVE_PROVIDER, else the agent's own model"
    parser.add_argument("--provider", metavar="ID", help=text)


def add_reflector(parser: _Adds) -> None:
    """Add --reflector."""
    text = (
        "a capable model that proposes edits, asked by the agent ADAPTATION_AGENT; may be given several times; "
        "default: EVOLVE_REFLECTOR, else none"
    )
    parser.add_argument("--reflector", metavar="ID", action="append", default=[], help=text)


def reflectors(given: Sequence[str], env: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the first reflector and the others; without one given, EVOLVE_REFLECTOR of the environment is used."""
    names = [name for name in given or [env.get("EVOLVE_REFLECTOR", "")] if name]
    return (names[0] if names else None), tuple(names[1:])


def add_concurrency(parser: _Adds, text: str, *, default: int | None = None) -> None:
    """Add --concurrency."""
    parser.add_argument("--concurrency", type=positive, default=default, metavar="N", help=text)


def add_executor(parser: _Adds, text: str, *kinds: str) -> None:
    """Add --executor, where the work is done; `kinds` are the executors that the command knows."""
    read = partial(executor, kinds=kinds)
    parser.add_argument("--executor", type=read, default=None, metavar="KIND[:PLACE]", help=text)


def add_suite(parser: _Adds) -> None:
    """Add --suite, the agent's suite."""
    text = "the agent's suite; default: the one that its evidence names"
    complete(parser.add_argument("--suite", metavar="FILE", help=text), "file")


def add_output_dir(parser: _Adds, default: str) -> None:
    """Add --output-dir."""
    text = f"the folder for the folders of runs; default {default}"
    complete(parser.add_argument("--output-dir", default=default, metavar="DIR", help=text), "folder")


def add_cases(parser: _Adds, text: str, *, default: str | None = None) -> None:
    """Add --cases, the folder of failure cases."""
    complete(parser.add_argument("--cases", metavar="DIR", default=default, help=text), "folder")


def add_json(parser: _Adds, text: str = "print the result as one JSON object on stdout, and nothing else") -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help=text)


def add_run(parser: _Adds) -> None:
    """Add RUN, an evolution in the archive."""
    text = "the beginning of a run's id (`evolve report --list`); default: the newest run"
    parser.add_argument("run", nargs="?", metavar="RUN", help=text)


def add_old_name(parser: _Adds, name: str, **settings: Any) -> None:
    """Add a name that an option had before: it still works, but no help text mentions it."""
    parser.add_argument(name, default=SUPPRESS, help=SUPPRESS, **settings)


def complete(action: Any, what: Literal["file", "folder"]) -> None:
    """Let a shell complete the names of files or folders for an option."""
    setattr(action, COMPLETES, what)


class Executor(NamedTuple):
    """Where the work is done instead of this process: a kind of executor, and its place."""

    kind: str
    place: str
    """The address of a Ray cluster, or the folder on Nomad's node; empty for the default."""

    @property
    def text(self) -> str:
        """The executor as `--executor` takes it."""
        return f"{self.kind}:{self.place}" if self.place else self.kind


class BudgetOption(NamedTuple):
    """What a run may pay for: answers, minutes of the model's work, or tokens. One of them is given."""

    answers: int | None
    minutes: float | None = None
    tokens: int | None = None


def positive(text: str) -> int:
    """Return a positive integer."""
    number = _digits(text)
    if not number:
        raise ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return number


def whole(text: str) -> int:
    """Return an integer of 0 or more."""
    number = _digits(text)
    if number is None:
        raise ArgumentTypeError(f"expected an integer of 0 or more, got {text!r}")
    return number


def port(text: str) -> int:
    """Return a port's number; 0 means any free port."""
    number = _digits(text)
    if number is None or number > 65535:
        raise ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return number


def seconds(text: str) -> float:
    """Return a time above 0 and of at most an hour, in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 3600:
        raise ArgumentTypeError(f"expected seconds above 0 and up to 3600, got {text!r}")
    return number


def executor(text: str, kinds: Sequence[str]) -> Executor:
    """Return the executor that `KIND` or `KIND:PLACE` names."""
    kind, _, place = text.partition(":")
    if kind not in kinds:
        raise ArgumentTypeError(f"expected {' or '.join(kinds)}, got {text!r}")
    return Executor(kind, place)


def budget(text: str) -> BudgetOption:
    """Return a number of answers above 0, a time (`90s`, `5m`, `2h`) or tokens (`200k-tokens`)."""
    time, tokens = _TIME.fullmatch(text), _TOKENS.fullmatch(text)
    if time:
        found = BudgetOption(None, minutes=float(time[1]) * _MINUTES_OF[time[2]])
    elif tokens:
        amount = float(tokens[1]) * _THOUSANDS[tokens[2]]
        found = BudgetOption(None, tokens=0 if isinf(amount) else round(amount))
    else:
        found = BudgetOption(_digits(text))
    if not any(found) or isinf(found.minutes or 0):
        forms = "a number of answers, a time such as 5m or 90s, or tokens such as 200k-tokens"
        raise ArgumentTypeError(f"expected {forms}, above 0, got {text!r}")
    return found


def _digits(text: str) -> int | None:
    """The number; None for other text, and beyond 18 digits: Python refuses to read numbers of thousands of digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
