"""Finds the suites in a folder."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_NOT_OURS: Final = frozenset(("node_modules", "reports", "__pycache__", "site-packages"))
"""Folders that hold no suites; those that begin with a dot are skipped too."""
_PROMPTS: Final = re.compile(r"""^(?:prompts|"prompts"|'prompts')\s*:""", re.M)
"""The key `prompts` at the top: suites have it; lists of tests, demo banks, schemas and playbooks do not."""


def suites_in(folder: str | Path) -> list[str]:
    """Return the paths of the suites in a folder and below, sorted.

    The text decides, not the parsed file: a suite with a mistake must be reported, not skipped.
    """
    return [str(path) for path in _candidates(Path(folder)) if _has_prompts(path)]


def _candidates(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_OURS)
        found = [name for name in names if name.endswith(_SUFFIXES) and not name.startswith(".")]
        yield from (Path(place, name) for name in sorted(found))


def _has_prompts(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _is_json_suite(text) if path.suffix == ".json" else _PROMPTS.search(text) is not None


def _is_json_suite(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return '"prompts"' in text
    return isinstance(value, dict) and "prompts" in value
