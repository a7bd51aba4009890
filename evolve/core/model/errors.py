"""Three kinds of errors with three reactions.

EvolveError
├── InputError        the user's mistake: every problem at once, exit 2, no traceback
├── EnvironmentFault  an endpoint, an engine or a machine: an error of the run, exit 4, never a score
│   ├── MissingKeyFault  a service's API key is not set
│   ├── HttpFault     an endpoint gave no acceptable reply
│   ├── StoreFault    a file or folder of Anneal's own cannot be used
│   │   └── DiskFull  there is no space for it
│   ├── DockerFault   no Docker engine answers, or it refuses
│   └── ProcessFault  a program did not start, took too long or ended with an unexpected result
└── CannotEvaluate    one assertion or template could not be evaluated: its test is an error, other tests go on

Anything else that escapes is our bug: a traceback and exit 3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The exit codes of `evolve`. Under pytest, pytest's own codes apply."""

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
    """One problem of an input: where it is, what is wrong, and what to do next."""

    message: str
    where: Location | None = None
    hint: str = ""
    is_missing_here: bool = False
    """Something is not installed on this machine; the input itself may be right."""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class EvolveError(Exception):
    """The base class of all errors that Anneal raises on purpose."""

    # By default Python copies an error by calling its class with the finished text, which our classes do not accept.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[EvolveError], args: tuple[Any, ...], fields: Mapping[str, Any]) -> EvolveError:
    """Rebuilds an error that was copied or came from another process, with its data and notes."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InputError(EvolveError):
    """The user's input is wrong; contains every problem that was found, not only the first.

    Args:
        problems: why the input cannot be used.
        warnings: what else there is to say about it.
    """

    def __init__(self, problems: Problem | Iterable[Problem], warnings: Iterable[str] = ()) -> None:
        self.warnings = tuple(warnings)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EnvironmentFault(EvolveError):
    """Something outside failed (endpoint, process, machine); it is no evidence about a prompt.

    Raise this class itself only for causes without a subclass. Callers check the class and the fields, never the text.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        """What happened, without the hint."""
        self.hint = hint
        """What to do next; may be empty."""
        super().__init__(f"{message} ({hint})" if hint else message)


class MissingKeyFault(EnvironmentFault):
    """A service needs an API key and none is set; a run reports it before its first call."""


class HttpFault(EnvironmentFault):
    """An endpoint gave no acceptable reply."""

    def __init__(self, message: str, *, call: str, status: int | None = None, hint: str = "") -> None:
        self.call = call
        """Method and URL, without credentials; or the name of what was called."""
        self.status = status
        """HTTP status of the last reply; None when no reply was complete."""
        super().__init__(message, hint=hint)


class StoreFault(EnvironmentFault):
    """A file or folder of Anneal's own cannot be used."""

    def __init__(self, message: str, *, path: str, hint: str = "") -> None:
        self.path = path
        super().__init__(message, hint=hint)


class DiskFull(StoreFault):
    """There is no space left for a file, or the user's quota is exhausted."""


class DockerFault(EnvironmentFault):
    """No Docker engine answers, or the engine refuses a request."""


class ProcessFault(EnvironmentFault):
    """A program did not start, took too long, or ended with an unexpected result."""

    def __init__(self, message: str, *, command: str, code: int | None = None, hint: str = "") -> None:
        self.command = command
        """The program, or its whole command line."""
        self.code = code
        """Its exit code; None when it did not start or did not end."""
        super().__init__(message, hint=hint)


class CannotEvaluate(EvolveError):
    """One assertion, template or transform could not be evaluated on this output."""
