"""The readings of a text in which what a layout divides is on one line: HTML cells, arguments over lines, wire formats.

Each is a pattern of what to change, and what is read instead.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import html
import re
from collections.abc import Callable
from typing import Final, NamedTuple

_INLINE: Final = r"(?:td|th|tr|dt|dd|li|p|br|span|code|b|strong|pre|div|em|i|kbd|samp|label|h[1-6]|mark|tt)"
ENTITY: Final = r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});"
_ENDS_LINE: Final = re.compile(r"(?i)</?(?:tr|li|p|br|div|h[1-6])\b|</dd")


class Reading(NamedTuple):
    """A pattern, and what is read instead of each of its matches."""

    pattern: re.Pattern[str]
    change: Callable[[re.Match[str]], str]


def _markup(match: re.Match[str]) -> str:
    found = match[0]
    if found.startswith("&"):
        return html.unescape(found)
    if _ENDS_LINE.match(found):
        return "\n"
    if re.match(r"(?i)</dt", found):
        return ": "
    return " | " if re.match(r"(?i)</t[dh]", found) and found.count("<") > 1 else ""


def characters(escapes: str) -> str:
    r"""Return what a row of `\x` or of `\u` escapes means."""
    kind = escapes[:2]
    return bytes.fromhex(escapes.replace(kind, "")).decode("utf-8" if kind == r"\x" else "utf-16-be", "replace")


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if found[:2] in (r"\x", r"\u"):
        return characters(found)
    if found[0] == "\\" and len(found) > 1:
        return chr(int(found[1:], 8))
    return "'" if found == "''" else ""


LAYOUTS: Final = (
    Reading(re.compile(r"(?<=:)[ \t]{1,4}(?:[!&][\w:/.!-]{0,40}[ \t]+){1,2}(?=\S)"), lambda _match: " "),
    Reading(
        re.compile(
            rf"(?i)(?:[ \t]{{0,40}}</t[dh]>\s{{0,40}}<t[dh](?:\s[^<>]{{0,200}})?>|</?{_INLINE}(?:\s[^<>]{{0,300}})?/?>|{ENTITY})"
        ),
        _markup,
    ),
    Reading(re.compile(r"(?m)^[+](?![+ \t]*$|[+])[ \t]{0,8}"), lambda _match: ""),
    Reading(re.compile(r"[ \t]{0,4}\\\r?\n[ \t]{0,40}"), lambda _match: " "),
    Reading(re.compile(r"(?m)^\|\|[^\n]{3,300}$"), lambda match: match[0].replace("||", "|")),
    Reading(re.compile(r"\"?[ ]a\d{1,3}=\"?"), lambda _match: " "),
    Reading(
        re.compile(
            r"(?m)^([ \t]{0,40}(?:-[ \t]+)?[\"']?-{1,2}[A-Za-z][\w-]{0,40})[\"']?,?[ \t]{0,4}\r?\n[ \t]{0,40}(?:-[ \t]{1,4})?[\"']?(?!-)(?=\S)"
        ),
        lambda match: match[1] + " ",
    ),
    Reading(
        re.compile(
            r"\*\d{1,3}(?:\r?\n|\\r\\n)(?=\$\d)|(?:\r?\n|\\r\\n)?\$\d{1,5}(?:\r?\n|\\r\\n)|(?<=\w)\\r\\n(?=[\"'\s]|\Z)"
        ),
        lambda _match: " ",
    ),
    Reading(
        re.compile(
            r"(?:\\x[0-9a-fA-F]{2})+|(?:\\u[0-9a-fA-F]{4})+|\\[01][0-7]{2}|\\(?=[ !#$&*();@:=?~])|(?<=\w=)''(?=[^\s',;)\]}])|(?<=[^\s'(=,\[{:])''(?=[\s,;)'])"
        ),
        _escape,
    ),
)
"""Tags and anchors of YAML; markup; new lines of a difference; continued lines; an option and its value on two lines of a list; the protocol of Redis; escaped characters."""
