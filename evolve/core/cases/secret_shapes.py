"""Finds secrets by their shape, without a name: tokens with a prefix, keys in PEM, URLs with a password.

Uses the patterns of detect-secrets (on PyPI), and our own for what it misses: newer prefixes, whole PEM blocks, tokens
divided by a line break.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from evolve.core.cases.cued_rules import CuedRule, matches, rule

FILL: Final = "\ue000"
"""What the rules read in the place of an earlier placeholder: no word, because `secret` is itself a cue."""


class SecretSpan(NamedTuple):
    """The place of a secret or an id in a text."""

    start: int
    end: int


_SHAPES: Final = tuple(
    rule(pattern)
    for pattern in (
        r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}",
        r"gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}",
        r"(?<![A-Za-z0-9])gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas|ffct)-[\w-]{16,}",
        r"(?<![A-Za-z0-9])xox[a-z]-[\w-]{8,}|(?<![A-Za-z0-9])xapp-[\w-]{10,}",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]+",
        r"(?<![A-Za-z0-9])(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",
        r"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{16,}",
        r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}|(?<![A-Za-z0-9])npm_[A-Za-z0-9]{20,}|pypi-Ag[\w-]{16,}",
        r"AIza[\w-]{35}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}",
        r"(?<!\w)SG\.[\w-]{16,}\.[\w-]{16,}|do[opr]_v1_[a-f0-9]{32,}",
        r"(?<![\w.])(?:hv[sbr]\.[\w-]{20,}|[sbr]\.[A-Za-z0-9]{24}(?!\w))",
        r"\w{14}\.atlasv1\.[\w-]{40,}",
        r"AGE-SECRET-KEY-1[A-Z0-9]{40,}",
        r"(?<!\w)eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)*",
    )
)
"""Tokens of AWS, GitHub, GitLab, Slack, Stripe, OpenAI and Anthropic, Hugging Face, npm, PyPI, Google, SendGrid,
DigitalOcean, Vault, Terraform, age, and JSON Web Tokens. Prefixes are the vendors'; the minimum lengths are below those
of real tokens, so that cut ones are found too. No pattern backtracks far: each may run on a text of megabytes."""

_PEM_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_LINES: Final = re.compile(
    r"(?:(?:\s|\\[nr])*(?:[A-Za-z0-9+/=]{16,}|[A-Z][A-Za-z-]+: [^\n\\]*))*(?:\s|\\[nr])*[\w+/]*=*"
)
_PEM_MAX: Final = 20_000
"""Characters to search for the end of a key: an RSA key of 16,384 bits has about 13,000. It keeps the search linear."""

_PASSWORD_IN_URL: Final = rule(
    r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/?#\"'<>:@]{0,200}(?:@[^\s/?#\"'<>:@]{1,100})?:([^\s/\"'<>]{1,500})@"
)
_TOKEN_IN_URL: Final = rule(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://([^\s/?#\"'<>:@]{20,500})@")
"""The lengths are bounded to keep the search linear; a user name without password is a token from 20 characters on."""

_IGNORED_DETECTORS: Final = frozenset(
    ("BasicAuthDetector", "IPPublicDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector")
)
"""Our patterns find the same more exactly and in linear time; an IP address is no secret."""

_BREAK: Final = re.compile(r"(?<=[\w+/=-])(?:\r?\n|(?:\\r)?\\n)[ \t]*(?!- )(?=[\w+/=-])")
"""A line break inside a word, also one that is escaped in JSON."""


def find_shaped_secrets(text: str) -> list[SecretSpan]:
    """Return every part of the text that has the shape of a secret; spans may overlap."""
    found = [*_matches(text), *_pem_keys(text), *_url_secrets(text)]
    return [*found, *_find_divided(text, found)]


def _matches(text: str) -> Iterator[SecretSpan]:
    for match in matches(text, (*_SHAPES, *_detectors())):
        yield _trim(match)


def _trim(match: re.Match[str]) -> SecretSpan:
    """Returns the match without the quotes and blanks around it, which some detectors include."""
    shown = match[0].rstrip(" \t\r\n\"'")
    start = match.end() - len(match[0].lstrip(" \t\r\n\"'=:"))
    return SecretSpan(start, match.start() + len(shown))


@cache
def _detectors() -> tuple[CuedRule, ...]:
    """Returns the patterns of detect-secrets. Its own search returns only a group of some matches, so we search."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: Mapping[str, Any] = get_mapping_from_secret_type_to_class()
    wanted = [found for found in classes.values() if found.__name__ not in _IGNORED_DETECTORS]
    return tuple(
        rule(pattern.pattern, pattern.flags)
        for found in wanted
        if hasattr(found, "denylist")
        for pattern in found().denylist
    )


def _pem_keys(text: str) -> Iterator[SecretSpan]:
    for begin in _PEM_BEGIN.finditer(text):
        end = _PEM_END.search(text, begin.end(), begin.end() + _PEM_MAX)
        lines = _PEM_LINES.match(text, begin.end(), begin.end() + _PEM_MAX)
        yield SecretSpan(begin.start(), end.end() if end else lines.end() if lines else begin.end())


def _url_secrets(text: str) -> Iterator[SecretSpan]:
    for match in matches(text, (_PASSWORD_IN_URL, _TOKEN_IN_URL)):
        yield SecretSpan(*match.span(1))


def _find_divided(text: str, whole: list[SecretSpan]) -> Iterator[SecretSpan]:
    """Yields secrets that a line break divides; the search runs on the joined lines."""
    breaks = [match.span() for match in _BREAK.finditer(text)]
    if not breaks:
        return
    joined, starts, shifts = _join(text, breaks)
    ends = {span.end for span in whole}
    for found in (match.span() for match in matches(joined, _SHAPES)):
        first, last = (bisect_right(starts, place) - 1 for place in (found[0], found[1] - 1))
        if first == last:
            continue
        rest = joined[starts[first + 1] : found[1]]
        # A token that ends at the break and an ordinary word on the next line are two things.
        is_whole_before = breaks[first][0] in ends
        if not is_whole_before or not rest.isalpha() or not (rest.islower() or rest.istitle()):
            yield SecretSpan(found[0] + shifts[first], found[1] + shifts[last])


def _join(text: str, breaks: list[tuple[int, int]]) -> tuple[str, list[int], list[int]]:
    """Returns the text without the breaks, where each piece starts in it, and how far each piece was moved."""
    pieces, starts, shifts = [], [0], [0]
    begin = length = 0
    for start, end in breaks:
        pieces.append(text[begin:start])
        length += start - begin
        starts.append(length)
        shifts.append(end - length)
        begin = end
    return "".join([*pieces, text[begin:]]), starts, shifts
