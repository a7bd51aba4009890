"""Three kinds of errors with three reactions.

EvolveError
├── InputError        the user's mistake: every problem at once, exit 2, no traceback
├── EnvironmentFault  an endpoint, an engine or a machine: an error of the run, exit 4, never a score
└── CannotEvaluate    one assertion or template could not be evaluated: its test is an error, its siblings stand

Anything else that escapes is our bug: a traceback and exit 3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What `evolve` tells the shell. Under pytest its own codes stand."""

    DONE = 0
    FAILURES = 1
    INPUT = 2
    BUG = 3
    ENVIRONMENT = 4


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file; line and column count from 1, None when only the file is known."""

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    """The place in the data, such as `tests[3].assert[0].threshold`; empty for the whole file."""

    def __str__(self) -> str:
        spot = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{spot}: {self.path}" if self.path else spot


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where, what, and what to do next."""

    message: str
    where: Location | None = None
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class EvolveError(Exception):
    """The root of all errors that Anneal raises on purpose."""


class InputError(EvolveError):
    """The user's input is wrong; holds every problem that was found, not only the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EnvironmentFault(EvolveError):
    """Something outside failed (endpoint, process, machine); says nothing about a prompt's quality."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(f"{message} ({hint})" if hint else message)


class CannotEvaluate(EvolveError):
    """One assertion, template or transform could not be evaluated on this output."""
