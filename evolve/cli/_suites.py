"""The suites that a command is given, and the options that say how they are read."""

import os
from collections.abc import Iterable

from evolve.cli._options import complete
from evolve.cli._parser import CommandParser
from evolve.core.model.errors import InputError, Location, Problem
from evolve.store.suite_files import suites_in


def add_suites(parser: CommandParser) -> None:
    """Add SUITE|DIR..., the suites."""
    text = "a YAML or JSON file in promptfoo's format, or a folder of them"
    complete(parser.add_argument("suites", nargs="+", metavar="SUITE|DIR", help=text), "file")


def add_reading(parser: CommandParser) -> None:
    """Add --undefined and --unknown-keys."""
    parser.add_argument(
        "--undefined",
        choices=("typos", "strict", "empty"),
        default="typos",
        help="undefined template variables: an error where the name resembles a defined one, else a warning and empty "
        "(typos, the default); always an error (strict); always empty",
    )
    parser.add_argument(
        "--unknown-keys",
        choices=("typos", "error", "warn"),
        default="typos",
        help="unknown keys in suites: an error where they resemble a known key or belong to another place, else a "
        "warning (typos, the default); always an error; always a warning",
    )


def suite_files(given: Iterable[str]) -> list[str]:
    """Return the named suites and those in the named folders, each once.

    Raises:
        InputError: a folder has no suite.
    """
    found: dict[str, str] = {}
    problems = []
    for place in given:
        inside = suites_in(place) if os.path.isdir(place) else [place]
        if not inside:
            hint = "a suite is a YAML or JSON file with `prompts`; `evolve init` writes an example"
            problems.append(Problem("no suite in this folder", Location(place), hint))
        for path in inside:
            found.setdefault(os.path.realpath(path), path)
    if problems:
        raise InputError(problems)
    return list(found.values())
