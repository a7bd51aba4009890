"""Other readings of a text: without colour codes or log prefixes, with escapes decoded. Places map back to the text."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import html
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from evolve.core.cases.joined_texts import BETWEEN, PART_END
from evolve.core.cases.layout_readings import ENTITY, LAYOUTS, characters
from evolve.core.cases.secret_shapes import SecretSpan

_ANSI: Final = re.compile(r"(?:\x1b|\\x1b|\\e|\\033|\\u001b)\[[0-?]{0,30}[ -/]?[@-~]")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY: Final = re.compile(ENTITY)
_BACKSLASH: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|(?:\\u[0-9a-fA-F]{4})+|\\[\"'\\/nrt]")
_SHELL: Final = re.compile(r"'\\''|'\"'\"'")
_LIST: Final = re.compile(
    r"""\[(?:\\?["'])?[\w./-]{2,60}(?:\\?["'])?(?:,(?:[ ]?|\s{0,40})(?:"[^"\n]{0,200}"|'[^'\n]{0,200}'|\\"[^"\n]{0,200}\\"|[^\s"',\]]{1,200})){1,30}"""
)
_BETWEEN: Final = re.compile(r"""(?:\\?["'])?,(?:[ ]?|\s{0,40})(?:\\?["'])?|\[(?:\\?["'])?|(?:\\?["'])\Z""")
"""A command that is written as a list, `["mysql", "-px"]` or `[redis-server, --requirepass, x]`, and what is between its words."""

_AROUND: Final = 2
"""Lines around a changed one that are read with it, for names and values on different lines."""

_PREFIX: Final = re.compile(
    r"\n(?:[ \t]*(?:\[?\d{1,4}[-:/.]\d\d[-:/.\d TZ+,]{3,30}\]?|[\w.-]{1,40}(?:\[\d+\])?:|\[[\w .:/-]{1,60}\]|[\w.-]{1,30}[ \t]*[|>]|"
    r"stdout|stderr|[FP]|DEBUG|INFO|WARN(?:ING)?|ERROR|[A-Z][a-z]{2}[ ]+\d{1,2})[ \t]*){1,8}"
)
"""The start of a log line: time, program, level, and the line break before it."""


class View(NamedTuple):
    """A reading of a text, with the place in the text of each of its characters."""

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, start: int, end: int) -> SecretSpan:
        """Return the place in the text of a part of the view."""
        return SecretSpan(self.starts[start], self.ends[end - 1])

    def is_divided(self, start: int, end: int) -> bool:
        """Return whether a part of the view comes from distant parts of the text that are read one after the other."""
        return PART_END in self.text[start:end]


def _backslashes(match: re.Match[str]) -> str:
    found = match[0]
    if found[1] in "xu":
        return characters(found)
    return {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1])


def _percents(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")


_READINGS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (_ANSI, lambda _match: ""),
    (_PERCENT, _percents),
    (_ENTITY, lambda match: html.unescape(match[0])),
    (_SHELL, lambda _match: "'"),
    (_BACKSLASH, _backslashes),
)


def named_views(text: str) -> Iterator[View]:
    """Yield the readings in which names and values can be seen: without colours, from percent signs, lists as commands.

    Only the lines that differ from the text are in them, with some lines around.
    """
    for pattern, change in (*_READINGS[:2], *LAYOUTS):
        parts = [_part(text, start, end) for start, end in _changed_lines(text, pattern)]
        if parts:
            view = _changed(joined_views(parts), pattern, change)
            yield view
            twice = (
                [_slice(view, *lines) for lines in _changed_lines(view.text, _PERCENT)] if pattern is _PERCENT else []
            )
            if twice:
                yield _changed(joined_views(twice), pattern, change)
    lists = [_changed(_part(text, *found.span()), _BETWEEN, lambda _match: " ") for found in _LIST.finditer(text)]
    if lists:
        yield joined_views(lists)


def joined_views(parts: list[View]) -> View:
    """Return the parts as one view, which costs less than to search each of them."""
    if len(parts) == 1:
        return parts[0]
    starts, ends = list(parts[0].starts), list(parts[0].ends)
    for part in parts[1:]:
        at = part.starts[0] if part.starts else 0
        starts += [at] * len(BETWEEN) + part.starts
        ends += [at] * len(BETWEEN) + part.ends
    return View(BETWEEN.join(part.text for part in parts), starts, ends)


def _changed_lines(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yields the places of the lines with a match and of those around them, merged where they overlap."""
    start = end = -1
    for match in pattern.finditer(text):
        first = match.start() if match.start() < end else _lines_before(text, match.start())
        if first > end:
            if end >= 0:
                yield start, end
            start = first
        end = max(end, _lines_after(text, match.end()))
    if end >= 0:
        yield start, end


def _lines_before(text: str, at: int) -> int:
    for _ in range(_AROUND + 1):
        at = text.rfind("\n", 0, max(0, at))
        if at < 0:
            return 0
    return at + 1


def _lines_after(text: str, at: int) -> int:
    for _ in range(_AROUND + 1):
        at = text.find("\n", at) + 1
        if at == 0:
            return len(text)
    return at


def _part(text: str, start: int, end: int) -> View:
    """Returns a part of the text as a view."""
    return View(text[start:end], list(range(start, end)), list(range(start + 1, end + 1)))


def _slice(view: View, start: int, end: int) -> View:
    return View(view.text[start:end], view.starts[start:end], view.ends[start:end])


def exact_views(text: str) -> Iterator[View]:
    """Yield every reading in which a known secret may be: decoded once and twice, and without log prefixes."""
    whole = View(text, [], [])
    for pattern, change in (*_READINGS, (_PREFIX, lambda _match: "")):
        view = whole
        for _ in range(3):
            if not pattern.search(view.text):
                break
            view = _changed(view, pattern, change)
            yield view


def _changed(view: View, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> View:
    old_starts = view.starts or list(range(len(view.text)))
    old_ends = view.ends or list(range(1, len(view.text) + 1))
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in pattern.finditer(view.text):
        begin, end = match.span()
        new = change(match)
        parts += [view.text[at:begin], new]
        starts += [*old_starts[at:begin], *([old_starts[begin]] * len(new))]
        ends += [*old_ends[at:begin], *([old_ends[end - 1]] * len(new))]
        at = end
    return View("".join([*parts, view.text[at:]]), [*starts, *old_starts[at:]], [*ends, *old_ends[at:]])
