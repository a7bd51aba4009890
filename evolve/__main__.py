"""`evolve COMMAND ...`: each command is a module of `evolve/cli` with `main(arguments) -> exit code` and `parser()`."""

import importlib
import sys
from collections.abc import Sequence

from evolve import __version__
from evolve.cli._commands import COMMANDS, commands, module_of
from evolve.cli._guard import run_guarded
from evolve.core.model.errors import ExitCode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run_guarded(_dispatch, list(sys.argv[1:] if arguments is None else arguments))


def _dispatch(given: Sequence[str]) -> int:
    if not given or given[0] in ("-h", "--help"):
        print(_help())
        return ExitCode.DONE if given else ExitCode.INPUT
    if given[0] == "help":
        return _dispatch([*given[1:2], "--help"])
    if given[0] in ("-V", "--version"):
        print(f"evolve {__version__}")
        return ExitCode.DONE
    if given[0].startswith("-"):
        given = ["evolve", *given]
    if given[0] not in commands():
        print(_unknown(given[0]), file=sys.stderr)
        return ExitCode.INPUT
    # Imported by name, so that a command's libraries are loaded only when it runs.
    module = importlib.import_module(module_of(given[0]))
    code: int = module.main(given[1:])
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in commands().items()]
    more = [
        "`evolve help COMMAND` shows a command's options, with examples.",
        "`evolve --test-case ...` is short for `evolve evolve ...`.",
        "exit codes: 0 done, 1 failures found, 2 wrong input, 3 a bug in Anneal, 4 the environment",
    ]
    return "\n".join(["usage: evolve COMMAND ...", "", *lines, "", *more])


def _unknown(name: str) -> str:
    from evolve.core.text.did_you_mean import did_you_mean

    known = list(commands())
    hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
    is_suite = name.endswith((".yaml", ".yml", ".json"))
    what = f"{name} is not a command; `evolve run {name}` runs a suite" if is_suite else ""
    return f"evolve: error: {what or f'unknown command {name!r} ({hint})'}"


if __name__ == "__main__":
    sys.exit(main())
