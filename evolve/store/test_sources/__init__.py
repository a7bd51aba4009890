"""Tests from elsewhere than the user's files. The file NAME.py of this folder has `read_tests` for names `NAME:...`."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from evolve.core.text.did_you_mean import did_you_mean

__all__ = ["ReadTests", "find_source", "known_sources", "meant_source"]

ReadTests: TypeAlias = Callable[[str, Mapping[str, str]], list[dict[str, Any]]]
"""Returns the tests of a whole name, as a suite would write them; gets the environment; raises InputError."""


def find_source(name: str) -> ReadTests | None:
    """Return the function that reads the tests of a name such as `bfcl:multiple`; None for a file's name."""
    word, colon, _ = name.partition(":")
    if not colon or word not in known_sources():
        return None
    read: ReadTests = importlib.import_module(f"{__name__}.{word.replace('-', '_')}").read_tests
    return read


def known_sources() -> tuple[str, ...]:
    """Return the words that names of tests may begin with, sorted."""
    names = (name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_"))
    return tuple(sorted(name.replace("_", "-") for name in names))


def meant_source(name: str) -> str:
    """Return a hint for a name that is neither a source's nor a file's; empty where it resembles none."""
    word, colon, rest = name.partition(":")
    return did_you_mean(word, known_sources()) if colon and rest and not rest.startswith("//") else ""
