"""A program's log on standard error."""

import logging
import sys


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
