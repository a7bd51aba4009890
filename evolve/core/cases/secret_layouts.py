"""Finds secrets by a name that is elsewhere: XML elements, YAML blocks, pairs of name and value, tables, CSV, SQL rows."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Callable, Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.named_literals import find_named_literals
from evolve.core.cases.password_shapes import is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_sentence
from evolve.core.cases.statement_parameters import find_statement_parameters

IsName = Callable[[str], bool]

_NAME: Final = r"([\w.-]{1,80})"
_PAIRS: Final = tuple(
    rule(pattern, re.IGNORECASE)
    for pattern in (
        rf"<(?:\w{{1,40}}:)?{_NAME}(?:\s[^<>]{{0,200}})?>\s{{0,40}}(?:<!\[CDATA\[)?([^<]{{1,2000}}?)(?:\]\]>)?\s{{0,40}}</",
        rf"<[^<>]{{0,100}}?(?:name|key|id)\s?=\s?[\"']{_NAME}[\"'][^<>]{{0,100}}?\bvalue\s?=\s?(?:\"([^\"<>]{{1,1000}})\"|'([^'<>]{{1,1000}})')",
        rf">\s{{0,20}}{_NAME}\s{{0,20}}</[\w:.-]{{1,40}}>\s{{0,40}}<[\w:.-]{{1,40}}(?:\s[^<>]{{0,100}})?>\s{{0,20}}([^<]{{3,500}}?)\s{{0,20}}</",
        rf"<[^<>]{{0,100}}?(?:name|key|id)\s?=\s?[\"']{_NAME}[\"'][^<>]{{0,100}}>\s{{0,40}}(?:<value>)?([^<]{{1,1000}}?)\s{{0,40}}<",
        rf"(?:name|key)[\"']?\s?[:=]\s?[\"']?{_NAME}[\"']?,?\s{{1,40}}(?:(?!- )[\w.-]{{1,40}}:[^\n]{{0,80}}\n\s{{1,40}}){{0,3}}[\"']?value[\"']?\s?[:=]\s?[\"']?([^\s\"',}}]{{1,1000}})",
        rf"define\(\s{{0,9}}[\"']{_NAME}[\"']\s{{0,9}},\s{{0,20}}(?:\"([^\"\n]{{1,500}})\"|'([^'\n]{{1,500}})')",
        r"(?<![\w.-])([\w.-]{1,80}\.\.\.)[ \t]?[\"']?([^\s\"'.:][^\s\"']{0,500})",
        rf"(?<![\w.-]){_NAME}[ \t]\.\.\.\.{{0,77}}[ \t]?[\"']?([^\s\"'.][^\s\"']{{0,500}})",
        rf"(?<![\w.-]){_NAME}[ \t]{{0,3}}=[ \t]{{0,3}}(?:\"\"\"|''')\s{{0,3}}([^\"']{{1,2000}}?)(?:\"\"\"|''')",
        rf"(?<![\w.-]){_NAME}    [ \t]{{0,60}}=[ \t]{{0,60}}([^\s\"']{{1,500}})",
        rf"(?<![\w.-]){_NAME}[ \t]{{0,60}}=    [ \t]{{0,60}}([^\s\"']{{1,500}})",
    )
)
_REVERSED: Final = tuple(
    rule(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bvalue\s?=\s?\"([^\"<>]{{1,1000}})\"[^<>]{{0,100}}?\b(?:name|key|id)\s?=\s?[\"']{_NAME}",
        rf"\bvalue\s?=\s?'([^'<>]{{1,1000}})'[^<>]{{0,100}}?\b(?:name|key|id)\s?=\s?[\"']{_NAME}",
        rf"\bvalue[\"']?\s?[:=]\s?[\"']?([^\s\"',}}]{{1,1000}})[\"']?,?\s{{1,40}}[\"']?(?:name|key)[\"']?\s?[:=]\s?[\"']?{_NAME}",
    )
)
_BLOCK: Final = re.compile(
    rf"^([ \t]{{0,40}})(?:- )?[\"']?{_NAME}[\"']?:[ \t]{{0,3}}(?:[|>][+-]?\d?)?[ \t]*\n", re.MULTILINE
)
_LINE: Final = re.compile(r"[^\n]*\n?")
_ROW: Final = re.compile(r"[^\n]+")
_INSERT: Final = re.compile(
    r"\(([\w\s,\"`\[\]]{3,500})\)\s{0,9}VALUES\s{0,9}((?:\((?:[^()]|\([^()]{0,200}\)){1,2000}\),?\s{0,9}){1,50})",
    re.IGNORECASE,
)
_SQL_VALUE: Final = re.compile(r"'((?:[^']|''){0,500})'|([^\s,()']{1,200})")
_RULER: Final = re.compile(r"\|-[^\n]*|[-+=:|│┼├┤─━═╞╪╡┌┬┐└┴┘ \t]+")
_HEADER_CELL: Final = re.compile(r"[|!]?[\w .#/()-]{1,40}[|!]?")
_MAX_BLOCK: Final = 60
_SEPARATORS: Final = (
    re.compile(r"[|!]{2}"),
    re.compile(r"[|│┃║]"),
    re.compile(r","),
    re.compile(";"),
    re.compile("\t"),
    re.compile(r"  +"),
)


def find_layout_secrets(text: str, is_name: IsName) -> Iterator[SecretSpan]:
    """Yield every value whose name is in another cell, line, element or attribute."""
    found = [*_pairs(text, is_name), *_blocks(text, is_name), *_tables(text, is_name), *_rows(text, is_name)]
    found += [*find_statement_parameters(text, is_name), *find_named_literals(text, is_name)]
    for start, end in found:
        value = text[start:end]
        if value.strip() and not is_reference(value.strip()) and not is_sentence(value):
            yield SecretSpan(start, end)


def _pairs(text: str, is_name: IsName) -> Iterator[SecretSpan]:
    for match in matches(text, _PAIRS):
        if is_name(match[1].rstrip(".")):
            yield SecretSpan(*match.span(match.lastindex or 2))
    for match in matches(text, _REVERSED):
        if is_name(match[2]):
            yield SecretSpan(*match.span(1))


def _blocks(text: str, is_name: IsName) -> Iterator[SecretSpan]:
    """Yields the lines below `password: |` and `passwords:` that are indented deeper."""
    for match in _BLOCK.finditer(text):
        if not is_name(match[2]) and not is_name(match[2].removesuffix("s")):
            continue
        is_scalar = match[0].rstrip()[-1] != ":" and ":" in match[0]
        at = match.end()
        for _ in range(_MAX_BLOCK):
            line = _LINE.match(text, at)
            body = line[0].lstrip(" \t") if line else ""
            indent = len(line[0]) - len(body) if line else 0
            is_item = body.startswith("- ")
            if not line or not body.strip() or indent < len(match[1]) + (0 if is_item else 1):
                break
            if not is_scalar and not is_item and not match[2].endswith("s"):
                break
            start = line.start() + indent + (2 if is_item and not is_scalar else 0)
            value = text[start : line.end()].strip()
            pair = None if is_scalar else re.match(r"(?:- )?[\w.-]{1,60}: +", value)
            if pair:
                start, value = start + pair.end(), value[pair.end() :]
            if is_scalar or not pair or (" " not in value and is_shown_password(value)):
                quotes = 1 if value[:1] in "\"'" and value[:1] == value[-1:] and len(value) > 2 else 0
                yield SecretSpan(start + quotes, start + len(value) - quotes)
            at = line.end()


def _tables(text: str, is_name: IsName) -> Iterator[SecretSpan]:
    lines = [match.span() for match in _ROW.finditer(text)]
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        if len(line) > 2000:
            continue
        for separator in _SEPARATORS:
            if not separator.search(line):
                continue
            cells = _cells(text, start, end, separator)
            names = [_bare(text, cell) for cell in cells]
            hits = [index for index, name in enumerate(names) if name and is_name(name.replace(" ", "_"))]
            if not hits or sum(map(bool, names)) < 2 or not all(_HEADER_CELL.fullmatch(name) for name in names if name):
                continue
            yield from _column(text, lines[number + 1 :], separator, len(cells), hits)
            is_header = number + 1 < len(lines) and _RULER.fullmatch(text[slice(*lines[number + 1])])
            if separator.pattern.startswith("[|") and len([n for n in names if n]) == 2 and hits[0] < len(cells) - 1:
                first = next(index for index, name in enumerate(names) if name)
                if hits[0] == first and (not is_header or number + 2 >= len(lines)):
                    yield _strip(text, cells[first + 1])
            break


def _column(
    text: str, lines: list[tuple[int, int]], separator: re.Pattern[str], width: int, hits: list[int]
) -> Iterator[SecretSpan]:
    """Yields the cells under the names.

    Args:
        text: the whole text.
        lines: where the lines below the header are.
        separator: of the cells.
        width: the number of cells of the header.
        hits: the columns that hold secrets.
    """
    for start, end in lines[:_MAX_BLOCK]:
        if _RULER.fullmatch(text[start:end]):
            continue
        cells = _cells(text, start, end, separator)
        if len(cells) != width:
            break
        for index in hits:
            yield _strip(text, cells[index])


def _cells(text: str, start: int, end: int, separator: re.Pattern[str]) -> list[tuple[int, int]]:
    if text[start:end].count('"') >= 2 and separator.pattern in (",", ";"):
        pattern = re.compile(rf'(?:"(?:[^"]|"")*"|[^"{separator.pattern}])*')
        found, at = [], start
        while at <= end:
            match = pattern.match(text, at, end)
            stop = match.end() if match else at
            found.append((at, stop))
            at = stop + 1
        return found
    cells, at = [], start
    for match in separator.finditer(text, start, end):
        cells.append((at, match.start()))
        at = match.end()
    return [*cells, (at, end)]


def _bare(text: str, cell: tuple[int, int]) -> str:
    return text[slice(*_strip(text, cell))]


def _strip(text: str, cell: tuple[int, int]) -> SecretSpan:
    start, end = cell
    while start < end and text[start] in " \t\r\"'":
        start += 1
    while end > start and text[end - 1] in " \t\r\"'":
        end -= 1
    return SecretSpan(start, end)


def _rows(text: str, is_name: IsName) -> Iterator[SecretSpan]:
    """Yields the values of the columns with a secret's name in `INSERT INTO t (a, password) VALUES (...)`."""
    for match in _INSERT.finditer(text):
        names = [name.strip(' \t\n"`[]') for name in match[1].split(",")]
        hits = [index for index, name in enumerate(names) if is_name(name)]
        for row in re.finditer(r"\(((?:[^()]|\([^()]{0,200}\)){1,2000})\)", match[2]) if hits else ():
            values = list(_SQL_VALUE.finditer(row[1]))
            for index in hits:
                if index < len(values):
                    base = match.start(2) + row.start(1)
                    start, end = values[index].span(values[index].lastindex or 0)
                    yield SecretSpan(base + start, base + end)
