"""Finds further copies of a secret that was found once: copies without its name, and long parts of it."""

from collections.abc import Iterable, Iterator
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
    for start, end in occurrences(text, head):
        more = _common(text[end : end + len(secret)], secret[_SHORTEST_PART:])
        yield SecretSpan(start, end + more)
    for start, end in occurrences(text, tail):
        before = text[max(0, start - len(secret)) : start]
        more = _common(before[::-1], secret[:-_SHORTEST_PART][::-1])
        yield SecretSpan(start - more, end)


def _common(left: str, right: str) -> int:
    """Returns the length of the common prefix."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def occurrences(text: str, part: str) -> Iterator[SecretSpan]:
    """Yield every place where a part occurs in a text."""
    at = text.find(part)
    while at >= 0:
        yield SecretSpan(at, at + len(part))
        at = text.find(part, at + len(part))
