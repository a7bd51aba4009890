"""Decides which failures are the same: same test, same check, and messages that differ only in incidental details."""

import hashlib
import re
from collections.abc import Iterable

from evolve.core.text.inert_text import clean_text

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
"""Patterns of what differs from run to run. Order matters: a long form must be replaced before its parts."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_HEX_DIGITS = 12
"""48 bits: a chance of about 1 in 560,000,000 that any two of a thousand failures collide, in a short file name."""

_MAX_SLUG = 48
"""Characters. With agent, fingerprint and suffix the name stays far below the 255 bytes that file systems allow."""


def normalise(message: str) -> str:
    """Return the message without times, ids, addresses, ports, paths and numbers, and with parts in braces sorted.

    >>> normalise("2025-03-04T08:12:40Z timeout after 30001ms at 10.0.3.7:8080")
    '<time> timeout after <n>ms at <address>'
    """
    text = clean_text(message)
    for pattern, word in _INCIDENTALS:
        text = pattern.sub(word, text)
    return " ".join(_BRACES.sub(_in_order, text).lower().split())


def _in_order(braces: re.Match[str]) -> str:
    return "{" + ", ".join(sorted(part.strip() for part in braces[1].split(","))) + "}"


def fingerprint(agent: str, test: str, checks: Iterable[str], messages: Iterable[str]) -> str:
    """Return twelve hex digits that identify a failure.

    Args:
        agent: the agent's name, without its version: a new version fails in the same way.
        test: the test's name.
        checks: names of what failed; order and repetition do not matter.
        messages: what the checks reported; they are normalised, and order and repetition do not matter.
    """
    parts = [agent, test, *sorted(set(checks)), "", *sorted({normalise(message) for message in messages})]
    text = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_HEX_DIGITS // 2).hexdigest()


def slug(name: str) -> str:
    """Return a name as part of a file's name: lower-case ASCII words joined by hyphens, never empty.

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
