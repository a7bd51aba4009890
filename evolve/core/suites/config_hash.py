"""A hash of what suites ask and require, the same on every machine."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from evolve.core.model.suite import Suite

_LEFT_OUT: Final = frozenset({"path", "base_dir", "place", "env", "config", "warnings", "max_concurrency", "delay_ms"})
"""A suite's fields that change with the machine, or that change no question and no verdict. Its `config` is the text
that the other fields were made of, before files were read and defaults filled in."""
_SECRET: Final = re.compile(r"(?i)(?:api_?key|token|secret|password|authorization|credentials?)$")
"""Keys whose values differ between people who run the same suite; `max_tokens` is none of them."""


def config_hash(suite: Suite) -> str:
    """Return the SHA-256 of a suite's prompts, providers, tests and assertions, in hexadecimal digits.

    What was read from files for them is part of it; code in files is so only by its name. Secrets and the suite's
    folder are left out.
    """
    named = [(field.name, getattr(suite, field.name)) for field in fields(suite) if field.name not in _LEFT_OUT]
    text = json.dumps(dict(named), default=_plain, sort_keys=True, separators=(",", ":"))
    folder = json.dumps(suite.base_dir.rstrip("/") + "/")[1:-1]
    return hashlib.sha256(text.replace(folder, "").encode()).hexdigest()


def combined_hash(hashes: Sequence[str]) -> str:
    """Return one hash of several suites; that of a single suite is its own."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        # Without what is empty or as by default: a later version's new field does not change the hash.
        found = [(field.name, getattr(value, field.name), field.default) for field in fields(value)]
        kept = [(name, part) for name, part, usual in found if name not in ("place", "env") and part not in (usual, {})]
        return {name: _public(part) for name, part in kept}
    return dict(value) if isinstance(value, Mapping) else str(value)


def _public(value: Any) -> Any:
    """The value without secrets, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): _public(part) for key, part in value.items() if not _SECRET.search(str(key))}
    return [_public(part) for part in value] if isinstance(value, list | tuple) else value
