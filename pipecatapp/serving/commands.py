"""How the commands of the app end: a message for people, and an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError


@dataclass(slots=True)
class CommandOutcome:
    """What a command's process returns."""

    code: int = ExitCode.DONE


@contextmanager
def guarded(program: str) -> Iterator[CommandOutcome]:
    """Report wrong input and faults of the machine on standard error, with the program's name in front."""
    outcome = CommandOutcome()
    try:
        yield outcome
    except InputError as error:
        for problem in error.problems:
            print(f"{program}: error: {problem}", file=sys.stderr)
        outcome.code = ExitCode.INPUT
    except EnvironmentFault as error:
        print(f"{program}: environment: {error}", file=sys.stderr)
        outcome.code = ExitCode.ENVIRONMENT
