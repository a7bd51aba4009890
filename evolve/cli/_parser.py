"""The parser of every command: examples in its help, and "did you mean" for mistyped words."""

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from evolve.core.text.did_you_mean import closest

EXAMPLES = "examples:"
"""The heading of the examples in a help text."""

# Argparse has no error object for a wrong choice: its message is all there is, and Python's versions quote differently.
_INVALID_CHOICE = re.compile(r"invalid choice: (?P<given>'[^']*'|\S+) \(choose from (?P<known>.*)\)")
_WIDEST = 100
"""Columns; longer lines of prose are hard to read, even in a wide terminal."""


class Example(NamedTuple):
    """A complete command, and what it does."""

    command: str
    text: str


class CommandParser(argparse.ArgumentParser):
    """A parser whose help ends with examples and whose errors suggest the likely word.

    Args:
        examples: commands that work in a folder made by `evolve init`, or in a repository with roles.
        notes: further information, below the examples.
    """

    def __init__(
        self, *, examples: Sequence[Example] = (), notes: str = "", description: str | None = None, **settings: Any
    ) -> None:
        # The raw formatter keeps the lines of the examples, but does not wrap prose: that is done here.
        super().__init__(
            description=_wrapped(description or ""),
            epilog="\n".join(_epilog(examples, notes)) or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **settings,
        )
        self.examples = tuple(examples)
        self._given: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]  # the overloads of typeshed cannot be repeated here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as argparse does, and remember the arguments for messages."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._given, namespace)

    def error(self, message: str) -> NoReturn:
        """End with exit code 2; the message suggests the word that was probably meant."""
        hints = list(dict.fromkeys([*self._about_choice(message), *self._about_options(message)]))
        super().error("; ".join([message, *hints]))

    def subcommands(self) -> dict[str, argparse.ArgumentParser]:
        """Return the parsers of the command's own commands by their names; empty for most."""
        found: dict[str, argparse.ArgumentParser] = {}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= action.choices
        return found

    def option_names(self) -> list[str]:
        """Return every option that the command and its own commands take."""
        # argparse has no public table of its options.
        names = dict.fromkeys(self._option_string_actions)
        for parser in self.subcommands().values():
            names |= dict.fromkeys(parser._option_string_actions)
        return list(names)

    def _about_choice(self, message: str) -> Iterator[str]:
        match = _INVALID_CHOICE.search(message)
        if match:
            known = [name.strip().strip("'") for name in match["known"].split(",")]
            best = closest(match["given"].strip("'"), known)
            if best:
                yield f"did you mean {best!r}?"

    def _about_options(self, message: str) -> Iterator[str]:
        """Suggestions for mistyped options; argparse may name another problem first, such as a value without one."""
        known = self.option_names()
        for word in self._given:
            if word == "--":
                return
            name = word.partition("=")[0]
            if name.startswith("--") and name not in known:
                best = closest(name, known)
                if best:
                    yield f"did you mean {best} for {name}?"
                elif name not in message:
                    yield f"there is no option {name}"


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], object], text: str, examples: Sequence[Example]
) -> CommandParser:
    """Add one of a command's own commands; what is to be run is the option `run`.

    Args:
        commands: argparse's table of them.
        name: the word that the user types.
        run: what it does.
        text: its help, a verb phrase.
        examples: commands that work.
    """
    command: CommandParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", examples=examples
    )
    command.set_defaults(run=run)
    return command


def _epilog(examples: Sequence[Example], notes: str) -> Iterator[str]:
    if examples:
        yield EXAMPLES
        for command, text in examples:
            yield f"  # {text}"
            yield f"  {command}"
    if examples and notes:
        yield ""
    if notes:
        yield _wrapped(notes)


def _wrapped(text: str) -> str:
    width = min(shutil.get_terminal_size().columns - 2, _WIDEST)
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)
