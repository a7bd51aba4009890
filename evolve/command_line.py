"""What all commands share: errors become one clean message and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from evolve.core.errors import CannotEvaluate, EnvironmentFault, ExitCode, InputError

INTERRUPTED = 128 + signal.SIGINT
"""The shell's own code for a command that Ctrl-C ended."""


def guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """The command's exit code; what it raises on purpose is told on stderr without a traceback."""
    try:
        return _flushed(command(arguments))
    except InputError as error:
        _tell("error", *(str(problem) for problem in error.problems))
        return ExitCode.INPUT
    except CannotEvaluate as error:
        _tell("error", str(error))
        return ExitCode.INPUT
    except EnvironmentFault as error:
        _tell("environment", str(error))
        return ExitCode.ENVIRONMENT
    except KeyboardInterrupt:
        _tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone (`| head`); Python must not complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception:  # the outermost boundary: our bug
        traceback.print_exc()
        _tell("bug", "this is a fault of Anneal; please report it with the lines above")
        return ExitCode.BUG


def _flushed(code: int) -> int:
    sys.stdout.flush()  # here, where a reader who is gone is no surprise
    return code


def _tell(kind: str, *messages: str) -> None:
    sys.stdout.flush()
    for message in messages or ("",):
        print(f"evolve: {kind}: {message}" if message else f"evolve: {kind}", file=sys.stderr)
