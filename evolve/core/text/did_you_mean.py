"""Suggests the name a person probably meant."""

import re
from collections.abc import Iterable
from typing import Final

_DIGITS: Final = re.compile(r"\d+")
_BEGINNING: Final = 5
"""Letters of a word's beginning that say which word it is."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from `name` by a typing error, or None.

    One edit per three letters is allowed, at least one and at most three: with more, unrelated words match. Case is
    ignored.
    """
    allowed = max(1, min(3, len(name) // 3))
    ranked = ((edit_distance(name.lower(), other.lower(), allowed), other) for other in known if other != name)
    distance, best = min(ranked, default=(allowed + 1, ""))
    return best if distance <= allowed else None


def meant_key(name: str, known: Iterable[str]) -> str | None:
    """Return the known key that an unknown one resembles, or that it begins, as `thresh` does; None without such."""
    names = list(known)
    begun = (other for other in names if len(name) >= _BEGINNING and other.lower().startswith(name.lower()))
    return closest(name, names) or next(begun, None)


def closest_variable(name: str, known: Iterable[str]) -> str | None:
    """Return the same for names of variables: `image1` and `image2`, which differ only in digits, are no mistake."""
    plain = _DIGITS.sub("", name)
    return closest(name, (other for other in known if _DIGITS.sub("", other) != plain))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a message, `did you mean 'assert'?`, or an empty string."""
    best = closest(name, known)
    return f"did you mean {best!r}?" if best else ""


def edit_distance(left: str, right: str, limit: int) -> int:
    """Return the number of insertions, deletions, replacements and swaps of neighbours between two words.

    Args:
        limit: larger distances are returned as limit + 1, which saves the work of computing them.
    """
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], limit + 1)


def with_the_option(hint: str) -> str:
    """Return the hint about an unknown key with the option that ignores such keys."""
    option = "--unknown-keys warn ignores it"
    return option if not hint else hint if "--unknown-keys" in hint else f"{hint}; {option}"
