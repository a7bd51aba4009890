"""Finds the values that a log of a database gives apart from the statement: `SET pw = ?` and, below it, `['x', 42]`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Callable, Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan

_HOLDER: Final = r"(?:\?\d{0,3}|\$\d{1,3}|%s|%\(\w{1,60}\)s|[:@]\w{1,60})"
_STATEMENT: Final = rule(
    rf"(?i)\b(?:insert\s+into|update|select|delete\s+from|replace\s+into|merge\s+into|alter|create|call|exec(?:ute)?)\b[^;\n]{{0,1500}}?{_HOLDER}[^;\n]{{0,500}}"
)
_COMPARED: Final = re.compile(
    rf"[\"`\[]?(\w{{1,60}})[\"`\]]?\s{{0,3}}(?:=|<>|!=|\blike\b)\s{{0,3}}(?:\w{{1,20}}\()?({_HOLDER})|({_HOLDER})", re.I
)
_INSERT: Final = re.compile(
    r"\(([\w\s,\"`\[\].]{2,800})\)\s{0,9}(?:output[^()]{0,100})?values\s{0,9}\(([^()]{1,800})", re.I
)
_TEXT: Final = r"(?:'((?:[^'\n]|''){1,500})'|\"([^\"\n]{1,500})\"|([^\s,'\"()\[\]{}]{1,500}))"
_ITEM: Final = re.compile(rf"{_TEXT}(?:\([A-Z]\w{{1,20}}\))?\s{{0,3}}(?:,|[)\]}}]|$|\n)")
_LIST: Final = re.compile(r"(?:[\[(]\s{0,3}|(?:param\w*|args|values|bind\w*)[ \t]*[:=][ \t]*)(?=['\"\w(-])", re.I)
_AHEAD: Final = 900
_BEFORE: Final = 400


def find_statement_parameters(text: str, is_name: Callable[[str], bool]) -> Iterator[SecretSpan]:
    """Yield the values for the placeholders of columns with a secret's name."""
    for statement in matches(text, (_STATEMENT,)):
        holders = _holders(statement[0])
        for number, (name, holder) in enumerate(holders):
            if name and is_name(name):
                yield from _values(text, statement, number, holder)


def _holders(statement: str) -> list[tuple[str, str]]:
    """Returns the column and the sign of each placeholder, from left to right."""
    insert = _INSERT.search(statement)
    if insert:
        names = [name.strip(' \t\n"`[]').rpartition(".")[2] for name in insert[1].split(",")]
        return [(name, holder.strip()) for name, holder in zip(names, insert[2].split(","), strict=False)]
    return [(match[1] or "", match[2] or match[3]) for match in _COMPARED.finditer(statement)]


def _values(text: str, statement: re.Match[str], number: int, holder: str) -> Iterator[SecretSpan]:
    before, after = max(0, statement.start() - _BEFORE), min(len(text), statement.end() + _AHEAD)
    sign = re.escape(holder.strip("%()").removesuffix(")s").lstrip(":@").removesuffix("s"))
    named = [
        rf"bind\w*[ \t]parameter[ \t]?[(\[#]?{number + 1}\b[^\n]{{0,60}}?(?:<-|->|-|=|:)[ \t]{{0,3}}\[([^\]\n]{{1,500}})\]"
    ]
    if sign and sign != "?":
        named.append(rf"(?<![\w$])[:@'\"]?{sign}['\"]?[ \t]{{0,3}}[=:][ \t]{{0,3}}{_TEXT}")
    for pattern in named:
        for start, end in ((before, statement.start()), (statement.end(), after)):
            for match in re.compile(pattern, re.IGNORECASE).finditer(text, start, end):
                yield from _group(match)
    for begin in _LIST.finditer(text, statement.end(), after):
        items = _items(text, begin.end(), number + 1)
        if len(items) > number:
            yield from _group(items[number])
            return


def _items(text: str, at: int, count: int) -> list[re.Match[str]]:
    """Returns the first items of a list of values."""
    found: list[re.Match[str]] = []
    while len(found) < count and (match := _ITEM.match(text, at)):
        found.append(match)
        at = match.end()
        while at < len(text) and text[at] in " \t":
            at += 1
    return found


def _group(match: re.Match[str]) -> Iterator[SecretSpan]:
    group = match.lastindex
    if group and len(match[group]) > 2 and not is_reference(match[group]):
        yield SecretSpan(*match.span(group))
