"""Suggests the name a person probably meant."""

from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is a typing error away from `name`, or None.

    One edit in three letters may differ, at least one and at most three; letters' case does not count.
    """
    allowed = max(1, min(3, len(name) // 3))
    ranked = ((edit_distance(name.lower(), other.lower(), allowed), other) for other in known if other != name)
    distance, best = min(ranked, default=(allowed + 1, ""))
    return best if distance <= allowed else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a message, `did you mean 'assert'?`, or an empty string."""
    best = closest(name, known)
    return f"did you mean {best!r}?" if best else ""


def edit_distance(left: str, right: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two words; more than `limit` is limit + 1."""
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
