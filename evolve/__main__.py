"""`evolve COMMAND ...`: each command is a module of `evolve/cli` with a `main(arguments) -> exit code`."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence

from evolve import __version__
from evolve.cli._guard import guarded
from evolve.core.model.errors import ExitCode

_MODULES = {"adapt": "adaptation_manager", "lint-roles": "lint_roles"}
"""Commands whose module has another name."""

COMMANDS = {
    "run": "run suites: every test against its providers",
    "evolve": "evolve the agent that failed, on failure cases: --test-case FILE|DIR (the word itself may be left out)",
    "adapt": "a failed job's diagnostics in: writes the failure case and starts the evolution",
    "cases": "failure cases: list, show, label, pin, waive, retire, import",
    "diff": "what the winner of an evolution changes in its agent",
    "promote": "the winner becomes the agent's next version, with its evidence",
    "rollback": "undo the last promotion of an agent",
    "report": "the report of an evolution, made anew",
    "reflect": "a failed job's diagnostics in, a JSON action out",
    "lint-roles": "smells of Ansible roles that no second converge would like, with file:line and how to mend each",
    "doctor": "what of this machine Anneal can use, and what is missing",
}
"""Command: what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    return guarded(_dispatched, list(sys.argv[1:] if arguments is None else arguments))


def _dispatched(given: Sequence[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help())
        return ExitCode.DONE if given else ExitCode.INPUT
    if given[0] in ("-V", "--version"):
        print(f"evolve {__version__}")
        return ExitCode.DONE
    if given[0].startswith("-"):
        given = ["evolve", *given]
    if given[0] not in _available():
        print(_unknown(given[0]), file=sys.stderr)
        return ExitCode.INPUT
    # By name: a command's libraries are loaded only when it runs.
    module = importlib.import_module(_module(given[0]))
    code: int = module.main(given[1:])
    return code


def _available() -> dict[str, str]:
    return {name: text for name, text in COMMANDS.items() if importlib.util.find_spec(_module(name))}


def _module(command: str) -> str:
    return f"evolve.cli.{_MODULES.get(command, command)}"


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in _available().items()]
    codes = "exit codes: 0 done, 1 failures found, 2 wrong input, 3 a bug of ours, 4 the environment"
    return "\n".join(["usage: evolve COMMAND ...", "", *lines, "", "`evolve COMMAND --help` tells more", codes])


def _unknown(name: str) -> str:
    from evolve.core.text.did_you_mean import did_you_mean

    known = list(_available())
    hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
    what = (
        f"{name} is no command; `evolve run {name}` runs a suite" if name.endswith((".yaml", ".yml", ".json")) else ""
    )
    return f"evolve: error: {what or f'unknown command {name!r} ({hint})'}"


if __name__ == "__main__":
    sys.exit(main())
