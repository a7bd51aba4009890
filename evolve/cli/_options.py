"""What the commands' words mean as numbers, for `argparse`; each message says what was given and what is taken."""

import re
from argparse import ArgumentTypeError
from typing import Final, NamedTuple

_MINUTES: Final = re.compile(r"(\d+(?:\.\d+)?)m")


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
