"""The part after `?` in the name of a source: `size=20&seed=1`."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from evolve.core.model.errors import InputError, Problem
from evolve.core.model.families import SPLITS
from evolve.core.text.did_you_mean import did_you_mean

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class SourceName:
    """A name such as `bfcl:multiple?size=20`, read."""

    whole: str
    part: str
    """Which of the source's sets of tests (`multiple`)."""
    options: Mapping[str, str]

    def number(self, key: str, least: int = 0) -> int | None:
        """Return a whole number, not below `least`; None where the name has none."""
        text = self.options.get(key)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or int(text) < least:
            raise self.problem(f"expected a whole number of at most 9 digits as {key}, at least {least}, got {text!r}")
        return int(text)

    @property
    def split(self) -> str | None:
        """The split of all its tests; None where the families' hashes decide."""
        word = self.options.get("split")
        if word is not None and word not in SPLITS:
            raise self.problem(f"expected one of {', '.join(SPLITS)} as split, got {word!r}")
        return word

    def problem(self, message: str, hint: str = "") -> InputError:
        """Return the error for this name."""
        return InputError(Problem(f"{self.whole}: {message}", hint=hint))


def read_name(name: str, parts: Collection[str], keys: Collection[str] | None) -> SourceName:
    """Return the parts of a name.

    Args:
        name: as the suite has it.
        parts: what the source has; empty where it finds out itself.
        keys: the options that it knows; None for any.

    Raises:
        InputError: an unknown part or option.
    """
    _, _, rest = name.partition(":")
    part, _, query = rest.partition("?")
    found = SourceName(name, part, dict(parse_qsl(query, keep_blank_values=True)))
    if parts and part not in parts:
        raise found.problem(f"unknown set {part!r}", did_you_mean(part, parts) or f"known: {', '.join(parts)}")
    for key in found.options:
        if keys is not None and key not in keys:
            raise found.problem(f"unknown option {key!r}", did_you_mean(key, keys) or f"known: {', '.join(keys)}")
    return found
