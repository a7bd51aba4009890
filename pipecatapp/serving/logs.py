"""A program's log, on standard error and in a file."""

import logging
import logging.handlers
import sys
import traceback
from pathlib import Path
from typing import Final

from evolve.core.model.errors import EnvironmentFault

_FRAMES: Final = 4
_FILE_BYTES: Final = 10_000_000
_OLDER_FILES: Final = 3
"""Files `NAME.1` and so on, so that a log never fills the disk."""


def log_to_stderr(log: logging.Logger, *others: str, file: Path | None = None) -> None:
    """Write a program's log to standard error, and warnings of its libraries.

    Args:
        log: the program's own.
        others: names of the libraries' loggers.
        file: gets the same lines; a full one is renamed, and the oldest one deleted.

    Raises:
        EnvironmentFault: the file cannot be written.
    """
    handlers = [logging.StreamHandler(sys.stderr), *([_file_handler(file)] if file else [])]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for logger, level in ((log, logging.INFO), *((logging.getLogger(name), logging.WARNING) for name in others)):
        logger.setLevel(level)
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)


def _file_handler(file: Path) -> logging.Handler:
    try:
        return logging.handlers.RotatingFileHandler(
            file, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as exc:
        raise EnvironmentFault(f"{file}: the log cannot be written: {exc.strerror or exc}") from exc


def place_of(error: Exception) -> str:
    """Return an error's type and where it came from. Its text may hold what somebody said, which no log gets."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES:])
    return f"{type(error).__name__} at {', from '.join(f'{one.filename}:{one.lineno}' for one in frames)}"
