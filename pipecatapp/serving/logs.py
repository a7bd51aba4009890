"""A program's log on standard error."""

import logging
import sys
import traceback
from typing import Final

_FRAMES: Final = 4


def log_to_stderr(log: logging.Logger, *others: str) -> None:
    """Write a program's log to standard error, and warnings of its libraries.

    Args:
        log: the program's own.
        others: names of the libraries' loggers.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for logger, level in ((log, logging.INFO), *((logging.getLogger(name), logging.WARNING) for name in others)):
        logger.setLevel(level)
        logger.addHandler(handler)
        logger.propagate = False


def place_of(error: Exception) -> str:
    """Return an error's type and where it came from. Its text may hold what somebody said, which no log gets."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES:])
    return f"{type(error).__name__} at {', from '.join(f'{one.filename}:{one.lineno}' for one in frames)}"
