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
"""The shell's own code for a command that Ctrl-C ended."""

_MACHINE_IS_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS))
"""What the machine is out of, wherever it shows."""


def run_guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """The command's exit code; what it raises on purpose is told on stderr without a traceback."""
    _open_streams()
    try:
        return _flush(command(arguments))
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
        mute_stdout()
        return ExitCode.DONE
    except OSError as error:
        if error.errno not in _MACHINE_IS_FULL:
            return _bug()
        mute_stdout()
        _tell("environment", f"{error.strerror}: {error.filename or 'while writing what the command prints'}")
        return ExitCode.ENVIRONMENT
    except Exception:  # the outermost boundary: our bug
        return _bug()


def _bug() -> int:
    traceback.print_exc()
    _tell("bug", "this is a fault of Anneal; please report it with the lines above")
    return ExitCode.BUG


def mute_stdout() -> None:
    """Whoever read our output is gone (`| head`), or has no room: Python must not complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """What the caller closed (`>&-`) swallows what is printed."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends


def _flush(code: int) -> int:
    sys.stdout.flush()  # here, where a reader who is gone is no surprise
    return code


def _tell(kind: str, *messages: str) -> None:
    sys.stdout.flush()
    for message in messages or ("",):
        print(f"evolve: {kind}: {visible(message)}" if message else f"evolve: {kind}", file=sys.stderr)
