"""Secrets that were found once, found wherever else they stand: without the name that told of them, or cut."""

from collections.abc import Iterable, Iterator
from typing import Final

from evolve.core.cases.secret_shapes import SecretSpan

_SHORTEST_COPY: Final = 6
_SHORTEST_PART: Final = 10
"""So many characters of a secret are a part of it: messages are cut anywhere."""


class Copies:
    """Looks for secrets and for long parts of them.

    Args:
        secrets: as they were found. Ordinary words among them are not looked for: `postgres` may be a password.
        known_ids: what stays, though it stood beside a secret's name somewhere.
    """

    def __init__(self, secrets: Iterable[str], known_ids: frozenset[str]) -> None:
        told = {secret.strip() for secret in secrets} - known_ids
        self._secrets = sorted(filter(_is_telling, told), key=len, reverse=True)

    def of(self, text: str) -> Iterator[SecretSpan]:
        """Where the secrets or long parts of them stand."""
        for secret in self._secrets:
            yield from occurrences(text, secret)
            if len(secret) >= 2 * _SHORTEST_PART:
                yield from _parts(text, secret)


def _is_telling(secret: str) -> bool:
    """Whether a secret's copies can be told from ordinary words."""
    return len(secret) >= _SHORTEST_COPY and not (secret.isalpha() and (secret.islower() or secret.istitle()))


def _parts(text: str, secret: str) -> Iterator[SecretSpan]:
    head, tail = secret[:_SHORTEST_PART], secret[-_SHORTEST_PART:]
    for start, end in occurrences(text, head):
        more = _common(text[end : end + len(secret)], secret[_SHORTEST_PART:])
        yield SecretSpan(start, end + more)
    for start, end in occurrences(text, tail):
        before = text[max(0, start - len(secret)) : start]
        more = _common(before[::-1], secret[:-_SHORTEST_PART][::-1])
        yield SecretSpan(start - more, end)


def _common(left: str, right: str) -> int:
    """How many first characters are the same."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def occurrences(text: str, part: str) -> Iterator[SecretSpan]:
    """Where a part stands in a text."""
    at = text.find(part)
    while at >= 0:
        yield SecretSpan(at, at + len(part))
        at = text.find(part, at + len(part))
