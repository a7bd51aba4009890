"""What every command that prints for people shares: colour where a terminal shows it, lines, and a command to copy."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO


class Paint:
    """Colour for words; nothing is said by colour alone."""

    def __init__(self, stream: TextIO, env: Mapping[str, str]) -> None:
        self._on = bool(env.get("FORCE_COLOR")) or (stream.isatty() and env.get("TERM") != "dumb")
        self._on = self._on and not env.get("NO_COLOR")

    @property
    def is_on(self) -> bool:
        """Return whether the stream shows colour."""
        return self._on

    def __call__(self, text: str, colour: str) -> str:
        """Return the text in red, green, yellow, bold or dim; unchanged where colour is off."""
        # ANSI's codes of colours, which terminals and CI logs show alike.
        codes = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}
        return f"\x1b[{codes[colour]}m{text}\x1b[0m" if self._on else text


def command_line(program: str, words: Iterable[str]) -> str:
    """Return a command that can be pasted into a shell."""
    return " ".join((program, *map(shlex.quote, words)))


def say(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Print lines; characters that the terminal cannot show are escaped."""
    target = stream or sys.stdout
    encoding = target.encoding or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    target.write(text.encode(encoding, "backslashreplace").decode(encoding))


def print_json(value: object, *, indent: int | None = None) -> None:
    """Print a value as JSON for machines; what the encoding of stdout cannot hold becomes a JSON escape."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a lone surrogate of an answer, or a terminal without UTF-8
        text = json.dumps(value, indent=indent)
    print(text, flush=True)
