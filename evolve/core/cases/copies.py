"""Finds further copies of a secret that was found once: copies without its name, and long parts of it."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from evolve.core.cases.secret_shapes import SecretSpan

_SHORTEST_COPY: Final = 6
"""Shorter strings occur in ordinary text by chance; to mask each of them would make the case unreadable."""

_SHORTEST_PART: Final = 10
"""Characters at the start or end of a secret that count as a part of it, because programs cut messages anywhere."""


class Copies:
    """Looks for secrets and for long parts of them.

    Args:
        secrets: as they were found. Ordinary words are ignored: `postgres` may be a password, but it is also a name.
        known_ids: ids to keep, although one was found next to a secret's name.
    """

    def __init__(self, secrets: Iterable[str], known_ids: frozenset[str]) -> None:
        candidates = {secret.strip() for secret in secrets} - known_ids
        self._secrets = sorted(filter(_is_distinctive, candidates), key=len, reverse=True)

    def of(self, text: str) -> Iterator[SecretSpan]:
        """Yield the places of the secrets and of long parts of them."""
        for secret in self._secrets:
            yield from occurrences(text, secret)
            # In a shorter secret the head and the tail overlap, and each is most of it.
            if len(secret) >= 2 * _SHORTEST_PART:
                yield from parts_of(text, secret)


def _is_distinctive(secret: str) -> bool:
    """Whether a copy of the secret cannot be mistaken for an ordinary word."""
    return len(secret) >= _SHORTEST_COPY and not (secret.isalpha() and (secret.islower() or secret.istitle()))


def parts_of(text: str, secret: str) -> Iterator[SecretSpan]:
    """Yield the places of the secret's head and tail, each of ten characters at least."""
    if len(secret) <= _SHORTEST_PART:
        return
    head, tail = secret[:_SHORTEST_PART], secret[-_SHORTEST_PART:]
    # What an earlier copy covers is not compared again: a text of one repeated word would take hours.
    covered = -1
    for start, end in occurrences(text, head):
        if end > covered:
            covered = end + _common_start(text, end, secret[_SHORTEST_PART:])
            yield SecretSpan(start, covered)
    covered = len(text) + 1
    for start, end in reversed(list(occurrences(text, tail))):
        if start < covered:
            covered = start - _common_end(text, start, secret[:-_SHORTEST_PART])
            yield SecretSpan(covered, end)


def _common_start(text: str, at: int, part: str) -> int:
    """Returns how many characters from a place on are the start of a part."""
    return _largest(len(part), lambda length: text.startswith(part[:length], at))


def _common_end(text: str, at: int, part: str) -> int:
    """Returns how many characters before a place are the end of a part."""
    return _largest(len(part), lambda length: text.endswith(part[len(part) - length :], 0, at))


def _largest(most: int, holds: Callable[[int], bool]) -> int:
    """Returns the largest number up to a limit for which a condition holds that holds for all smaller ones."""
    return bisect_left(range(1, most + 1), True, key=lambda number: not holds(number))


def occurrences(text: str, part: str) -> Iterator[SecretSpan]:
    """Yield every place where a part occurs in a text."""
    at = text.find(part)
    while at >= 0:
        yield SecretSpan(at, at + len(part))
        at = text.find(part, at + len(part))
