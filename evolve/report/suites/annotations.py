"""Failures as annotations of GitHub Actions: shown at their line in a pull request.

The format is that of GitHub's workflow commands, `::error file=F,line=N,title=T::MESSAGE`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from evolve.core.evaluation.outcomes import SuiteOutcome
from evolve.core.model.errors import Location
from evolve.core.text.visible import visible
from evolve.report.short_text import cut
from evolve.report.suites.text import failure_location, failure_title

SHOWN: Final = 10
"""GitHub shows so many errors of a step and drops the others."""
_MESSAGE_LIMIT: Final = 1_000
"""Characters: an annotation is a note next to a line, not a report."""


def is_wanted(choice: str, env: Mapping[str, str]) -> bool:
    """Return whether to write annotations, for `auto`, `github` or `none`."""
    return choice == "github" or (choice == "auto" and env.get("GITHUB_ACTIONS") == "true")


def annotations(outcomes: Iterable[SuiteOutcome], env: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each failure, error and fallen split, at most as many as GitHub shows."""
    found = (line for item in outcomes for line in _of_suite(item, env))
    yield from (line for line, _ in zip(found, range(SHOWN), strict=False))


def annotation(message: str, where: Location, env: Mapping[str, str], *, title: str = "") -> str:
    """Return one error at a place.

    Args:
        message: what is wrong; may have several lines.
        where: the place; its path becomes relative to the checkout.
        env: names the checkout (GITHUB_WORKSPACE).
        title: the annotation's headline.
    """
    facts = {
        "file": _in_checkout(where.file, env),
        "line": str(where.line) if where.line else "",
        "col": str(where.column) if where.column else "",
        "title": visible(title),
    }
    written = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in facts.items() if value)
    return f"::error {written}::{_escaped(visible(cut(message, _MESSAGE_LIMIT)))}"


def without_commands(lines: Iterable[str], token: str) -> Iterator[str]:
    """Yield the lines so that nothing in them is a command to GitHub: answers of models are among them.

    Args:
        token: ends the part without commands; nobody who wrote an answer may know it.
    """
    yield f"::stop-commands::{token}"
    yield from lines
    yield f"::{token}::"


def _of_suite(item: SuiteOutcome, env: Mapping[str, str]) -> Iterator[str]:
    for result in item.to_repeat:
        where = failure_location(result) or Location(item.suite.path)
        yield annotation(failure_title(result), where, env, title=result.evaluation.id)
    for split in item.splits:
        if not split.is_kept:
            yield annotation(split.text, Location(item.suite.path), env, title=f"split {split.split}")


def _in_checkout(path: str, env: Mapping[str, str]) -> str:
    root = env.get("GITHUB_WORKSPACE", "")
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(root or os.curdir))
    return path if relative.startswith(os.pardir) else relative


def _escaped(text: str, further: Sequence[str] = "") -> str:
    return re.sub(f"[%\r\n{further}]", lambda match: f"%{ord(match[0]):02X}", text)
