"""A report's file: written beside its place and moved there when it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from evolve.core.model.errors import InputError, Location, Problem


@contextmanager
def output_file(path: str, *, newline: str | None = None) -> Iterator[TextIO]:
    """A text file to write; missing folders are made, and a half-written report never replaces a whole one.

    Raises:
        InputError: the place cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A lone surrogate becomes its JSON escape; elsewhere the escape is shown as text.
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline=newline) as file:
            yield file
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        problem = Problem(
            f"cannot write the report: {error.strerror or error}", Location(path), "choose another --output"
        )
        raise InputError(problem) from error
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
