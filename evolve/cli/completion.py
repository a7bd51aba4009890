"""`evolve completion SHELL`: a script with which a shell completes commands, options, values and file names."""

import argparse
import importlib
import sys
from collections.abc import Sequence

import shtab

from evolve.cli._commands import commands, module_of
from evolve.cli._guard import run_guarded
from evolve.cli._options import COMPLETES
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")
_COMPLETERS = {"file": shtab.FILE, "folder": shtab.DIRECTORY}


def main(arguments: Sequence[str]) -> int:
    """Print the script; return 0."""
    options = parser().parse_args(arguments)
    print(shtab.complete(whole_parser(), options.shell))
    return ExitCode.DONE


def whole_parser() -> CommandParser:
    """Return one parser of all commands, for tools that need all of them."""
    # `evolve --test-case ...` is short for `evolve evolve ...`, so its options may also come first.
    whole = CommandParser(prog="evolve", parents=[_parser_of("evolve")], add_help=False)
    whole.add_argument("-V", "--version", action="store_true", help="print the version")
    table = whole.add_subparsers(metavar="COMMAND")
    for name, text in commands().items():
        table.add_parser(name, help=text, parents=[_parser_of(name)], add_help=False)
    helped = table.add_parser("help", help="show a command's options, with examples")
    helped.add_argument("command", choices=tuple(commands()))
    return whole


def _parser_of(name: str) -> CommandParser:
    found: CommandParser = importlib.import_module(module_of(name)).parser()
    _name_completers(found)
    return found


def _name_completers(parser: argparse.ArgumentParser) -> None:
    """Translate what our options complete into shtab's attribute, so that only this command needs shtab."""
    for action in parser._actions:
        what = getattr(action, COMPLETES, None)
        if what is not None:
            action.complete = _COMPLETERS[what]  # type: ignore[attr-defined]  # the attribute that shtab reads
    if isinstance(parser, CommandParser):
        for command in parser.subcommands().values():
            _name_completers(command)


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve completion",
        description="Print a script with which a shell completes commands, options, values and file names.",
        examples=(
            Example('eval "$(evolve completion bash)"', "in ~/.bashrc"),
            Example("evolve completion zsh > ~/.zfunc/_evolve", "a folder of zsh's fpath"),
            Example("evolve completion fish > ~/.config/fish/completions/evolve.fish", "once"),
        ),
    )
    made.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
