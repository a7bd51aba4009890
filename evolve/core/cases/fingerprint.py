"""Which failures are the same: the same test and check, and a message that differs in nothing but incidentals."""

import hashlib
import re
from collections.abc import Iterable

from evolve.core.cases.inert import clean_text

_HEX = r"[0-9a-fA-F]"
_INCIDENTALS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"<(?:secret|id):[0-9a-f]+>", "<id>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z|UTC|[+-]\d\d:?\d\d)?\b", "<time>"),
        (r"\b(?:[A-Z][a-z]{2} +)?\d{1,2}[ /-][A-Z][a-z]{2}[ /-]\d{4}(?:[ :]\d\d:\d\d:\d\d(?:[.,]\d+)?)?", "<time>"),
        (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?:Z\b)?", "<time>"),
        (r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>)\]}]+", "<address>"),
        (rf"\b{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\b", "<id>"),
        (rf"\b0x{_HEX}+\b", "<id>"),
        (rf"\b(?=[a-fA-F]*\d)(?=\d*[a-fA-F]){_HEX}{{7,}}\b", "<id>"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:/\d{1,2}\b)?", "<address>"),
        (rf"(?<![\w:])(?:{_HEX}{{1,4}}:){{2,7}}(?::?{_HEX}{{1,4}})(?![\w:])|(?<![\w:])::1?(?![\w:])", "<address>"),
        (r"\[<address>\](?::\d+)?", "<address>"),
        (r"(?<![\w.<])(?<!<n>)(?:[A-Za-z]:\\|~?/|\.{1,2}/)[^\s\"'<>:,;)\]}]*", "<path>"),
        (r"\b[\w.-]+(?:/[\w.-]+)+/?", "<path>"),
        (r"<path>:\d+(?::\d+)?", "<path>"),
        (r"\b[A-Za-z][\w-]*(?:\.[\w-]+)*:\d{2,5}\b", "<address>"),
        (r"[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?%?", "<n>"),
    )
)
"""What differs from run to run, in the order in which it is looked for: long forms before their parts."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_HEX_DIGITS = 12
_MAX_SLUG = 48


def normalise(message: str) -> str:
    """The message without times, ids, addresses, ports, paths and numbers, parts in braces in one order.

    >>> normalised("2025-03-04T08:12:40Z timeout after 30001ms at 10.0.3.7:8080")
    '<time> timeout after <n>ms at <address>'
    """
    text = clean_text(message)
    for pattern, word in _INCIDENTALS:
        text = pattern.sub(word, text)
    return " ".join(_BRACES.sub(_in_order, text).lower().split())


def _in_order(braces: re.Match[str]) -> str:
    return "{" + ", ".join(sorted(part.strip() for part in braces[1].split(","))) + "}"


def fingerprint(agent: str, test: str, checks: Iterable[str], messages: Iterable[str]) -> str:
    """Twelve hex digits that name a failure: of this agent, in this test, of these checks, with these messages.

    Checks and messages are sets: their order and repetition mean nothing.
    """
    parts = [agent, test, *sorted(set(checks)), "", *sorted({normalise(message) for message in messages})]
    text = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_HEX_DIGITS // 2).hexdigest()


def slug(name: str) -> str:
    """A name as part of a file's name: lower-case ASCII words joined by hyphens, never empty.

    >>> slug("JVM web service answers slowly, and then not at all")
    'jvm-web-service-answers-slowly-and-then-not-at'
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > _MAX_SLUG:
            break
        kept = longer
    return kept or (words[0][:_MAX_SLUG] if words else "case")
