"""What all commands share: errors become one clean message and an exit code."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, ExitCode, InputError
from evolve.core.text.visible import visible

INTERRUPTED = 128 + signal.SIGINT
"""The exit code that shells give to a command that Ctrl-C ended."""

_MACHINE_IS_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS))
"""Errors that mean the machine is full or cannot be written to, wherever they occur."""


def run_guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Return the command's exit code; errors that it raises on purpose are printed on stderr without a traceback."""
    _open_streams()
    try:
        return _flush(command(arguments))
    except InputError as error:
        if error.warnings:
            _print_error("warning", *error.warnings)
        _print_error("error", *(str(problem) for problem in error.problems))
        return ExitCode.INPUT
    except CannotEvaluate as error:
        _print_error("error", str(error))
        return ExitCode.INPUT
    except EnvironmentFault as error:
        _print_error("environment", str(error))
        return ExitCode.ENVIRONMENT
    except KeyboardInterrupt:
        _print_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        mute_stdout()
        return ExitCode.DONE
    except OSError as error:
        if error.errno not in _MACHINE_IS_FULL:
            return _bug()
        mute_stdout()
        _print_error("environment", f"{error.strerror}: {error.filename or 'while printing the result'}")
        return ExitCode.ENVIRONMENT
    except Exception:  # the outermost boundary: anything else is our bug
        return _bug()


def _bug() -> int:
    traceback.print_exc()
    _print_error("bug", "this is a bug in Anneal; please report it with the lines above")
    return ExitCode.BUG


def mute_stdout() -> None:
    """Discard further output: its reader is gone (`| head`) or full, and Python must not complain again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Replace streams that the caller closed (`>&-`) by ones that discard what is printed."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends


def _flush(code: int) -> int:
    sys.stdout.flush()  # here, where a reader that is gone is expected
    return code


def _print_error(kind: str, *messages: str) -> None:
    sys.stdout.flush()
    for message in messages or ("",):
        print(f"evolve: {kind}: {visible(message)}" if message else f"evolve: {kind}", file=sys.stderr)
