"""Copies arguments out of a case by patterns that labelled cases teach: a lookup for actions with arguments.

A value is a token of the case. What comes before and after the right tokens of the labelled cases, and what they look
like, is counted against the other tokens of the same cases; the token with the best odds is copied. Numbers that are
seldom in their case may be a fixed multiple of one that is, such as a limit that was doubled: then that is multiplied.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby

from evolve.core.model.json_value import JsonValue

_TOKEN = re.compile(r"[\w./:@-]*\w")
_NUMBER = re.compile(r"\d{1,100}")
"""Longer than any label; Python refuses to read numbers of thousands of digits."""
_EDGE = "\N{NULL}"
_FACTORS = (1.0, 2.0, 1.5, 3.0, 4.0, 1.25, 0.5)
"""By what a number of the case is multiplied. At equal counts the first is taken."""


@dataclass(slots=True)
class ArgumentPatterns:
    """The patterns of one argument."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    is_number: bool = False
    factor: float = 1.0
    """What a number of the case is multiplied by."""

    def learn(self, text: str, value: JsonValue) -> None:
        """Count the tokens of one labelled case."""
        self.is_number = self.is_number or isinstance(value, int | float)
        wanted = _spelled(value, self.factor)
        for token, features in _tokens(text):
            (self.right if token == wanted else self.wrong).update(features)

    def find(self, text: str) -> JsonValue:
        """Return the likeliest value in a case; None where no token looks like one."""
        best, best_odds = "", -math.inf
        for token, features in _tokens(text):
            odds = sum(math.log((self.right[f] + 0.5) / (self.wrong[f] + 0.5)) for f in features)
            if odds > best_odds and (not self.is_number or _NUMBER.fullmatch(token)):
                best, best_odds = token, odds
        # As a fraction: a float would round identifiers of 17 digits.
        return (int(int(best) * Fraction(self.factor)) if self.is_number else best) if best else None


def learn_arguments(
    texts: Sequence[str], labels: Sequence[dict[str, JsonValue]], keys: Sequence[str]
) -> dict[str, ArgumentPatterns]:
    """Return the patterns of these arguments, learned from labelled cases."""
    patterns = {}
    for key in keys:
        known = [(text, label[key]) for text, label in zip(texts, labels, strict=True) if label.get(key) is not None]
        patterns[key] = ArgumentPatterns(factor=_factor(known))
        for text, value in known:
            patterns[key].learn(text, value)
    return patterns


def _factor(known: Sequence[tuple[str, JsonValue]]) -> float:
    """The factor by which most right numbers are found in their cases."""
    tokens = [set(_TOKEN.findall(text)) for text, _ in known]
    found = {
        factor: sum(_spelled(value, factor) in own for own, (_, value) in zip(tokens, known, strict=True))
        for factor in _FACTORS
    }
    return max(_FACTORS, key=lambda factor: found[factor])


def _spelled(value: JsonValue, factor: float) -> str:
    """The value as a token of its case: the number that multiplied by the factor is the value."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{float(str(value)) / factor:.12g}" if is_number and factor != 1.0 else str(value)


def _tokens(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each token with what is around it and how it looks."""
    tokens = _TOKEN.findall(text)
    words = [token.lower() for token in tokens]
    for spot, token in enumerate(tokens):
        before = words[spot - 1] if spot else _EDGE
        earlier = words[spot - 2] if spot > 1 else _EDGE
        after = words[spot + 1] if spot + 1 < len(words) else _EDGE
        yield token, (f"<{before}", f"<<{earlier}", f">{after}", f"={_shape(token)}")


def _shape(token: str) -> str:
    """A token with its digits as 9 and its letters as a, runs shortened: `worker-12` is `a-9`."""
    kinds = ("9" if char.isdecimal() else "a" if char.isalpha() else char for char in token)
    return "".join(kind for kind, _ in groupby(kinds))
