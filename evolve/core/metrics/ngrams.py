"""Words and runs of words."""

import re
from collections import Counter
from collections.abc import Sequence

from evolve.core.javascript.values import JS_SPACE, js_strip

_SPACE = re.compile(f"[{JS_SPACE}]+")


def words(text: str) -> list[str]:
    """Return the text in lower case, split at white space; one empty word for blank text."""
    return _SPACE.split(js_strip(text.lower()))


def ngrams(tokens: Sequence[str], n: int) -> Counter[str]:
    """Return how often each run of `n` tokens occurs."""
    return Counter(" ".join(tokens[at : at + n]) for at in range(len(tokens) - n + 1))


def overlap(left: Counter[str], right: Counter[str]) -> int:
    """Return how many runs both have; a repeated one counts as often as it is in both."""
    return sum(min(count, right[gram]) for gram, count in left.items() if gram in right)
