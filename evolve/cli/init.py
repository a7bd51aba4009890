"""`evolve init [DIR]`: a complete example to start from: an agent, its suite, and how to run them."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from evolve.cli._guard import run_guarded
from evolve.cli._options import complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError, Location, Problem
from evolve.report.terminal import command_line, say

EXAMPLE: Final = Path(__file__).parent.parent / "own_agent"
"""The folder of the example's files."""
FILES: Final = ("ALERT_AGENT.md", "alerts.yaml", "prompts.py", "ALERTS_README.md")
_INI: Final = "pytest.ini"
_INI_FILES: Final = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Where pytest looks for its settings, in its order."""


def main(arguments: Sequence[str]) -> int:
    """Write the example; return 0 done, 2 a file exists already."""
    options = parser().parse_args(arguments)
    folder = Path(options.folder)
    known_ini = _ini_of(folder)
    texts = {folder / name: (EXAMPLE / name).read_text(encoding="utf-8") for name in FILES}
    if known_ini is None:
        texts[folder / _INI] = "\n".join(["[pytest]", *_ini_lines("")]) + "\n"
    _write(folder, texts)
    say([*(f"wrote {path}" for path in texts), *_ini_advice(known_ini, folder), *_next(folder)])
    return ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve init",
        description="Write a complete example to start from: an agent, its suite with labels and an assertion, the "
        "lines for pytest's ini file, and a short README. Its first run works on the embedded model.",
        examples=(
            Example("evolve init alerts", "into a new folder"),
            Example("evolve init", "into this folder"),
        ),
        notes="It never overwrites a file or edits your settings: the lines for pytest are printed. "
        "exit codes: 0 done, 2 a file exists already. See docs/own-agent.md.",
    )
    folder = made.add_argument("folder", nargs="?", default=".", metavar="DIR", help="where to; default: this folder")
    complete(folder, "folder")
    return made


def _write(folder: Path, texts: dict[Path, str]) -> None:
    """Write all files or none.

    Raises:
        InputError: naming every file that exists already.
        EnvironmentFault: the folder cannot be written.
    """
    in_the_way = [path for path in texts if os.path.lexists(path)]
    if folder.exists() and not folder.is_dir():
        in_the_way = [folder]
    if in_the_way:
        hint = "nothing was written; choose another folder: evolve init DIR"
        raise InputError([Problem("this file exists already", Location(str(path)), hint) for path in in_the_way])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise EnvironmentFault(f"cannot write the example into {folder}: {error.strerror}") from error


def _ini_of(folder: Path) -> Path | None:
    """The ini file that pytest would find from the folder, in it or above it, within the repository."""
    place = folder.resolve()
    for parent in (place, *place.parents):
        for name in _INI_FILES:
            if (parent / name).is_file():
                return parent / name
        if (parent / ".git").exists():
            return None
    return None


def _ini_lines(prefix: str, quote: str = "") -> list[str]:
    """The settings, with paths relative to pytest's root."""
    suites = f"{prefix}alerts.yaml {prefix}failure_cases/**/*.yaml"
    return [f"suite_files = {quote}{suites}{quote}", f"suite_failure_cases = {quote}{prefix}failure_cases{quote}"]


def _ini_advice(ini: Path | None, folder: Path) -> Iterator[str]:
    if ini is None:
        return
    relative = os.path.relpath(folder.resolve(), ini.parent)
    prefix = "" if relative == "." else f"{relative}/"
    is_toml = ini.suffix == ".toml"
    section = {"pyproject.toml": "tool.pytest.ini_options", "setup.cfg": "tool:pytest"}.get(ini.name, "pytest")
    yield ""
    yield f"for pytest, add these lines to {os.path.relpath(ini)}:"
    yield ""
    yield f"[{section}]"
    yield from _ini_lines(prefix, '"' if is_toml else "")


def _next(folder: Path) -> Iterator[str]:
    yield ""
    yield "next:"
    if folder.resolve() != Path.cwd():
        yield f"  {command_line('cd', [str(folder)])}"
    yield "  evolve run alerts.yaml --write-cases failure_cases"
    yield "ALERTS_README.md shows the commands that follow"


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
