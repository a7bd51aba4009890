"""Finds the objects in a text: what is in braces and can be read as JSON, or as YAML, as models often write it."""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from evolve.core.formats.flow_yaml import MAX_DEPTH, FlowYamlError, read_flow_yaml
from evolve.core.javascript.values import JS_SPACE
from evolve.core.model.json_value import JsonValue

_MAX_LENGTH = 100_000
"""The longest object that is searched for, promptfoo's limit. Promptfoo counts UTF-16 units, this module characters."""
_MAX_WORK = 3_000_000
"""Characters that are read for one text in total; without a limit, 100,000 opening braces would take minutes."""
_BRACE = re.compile("[{}]")


def json_objects(text: str) -> Iterator[dict[str, JsonValue]]:
    """Yield the outermost objects from left to right.

    Braces inside quotes count too, as in promptfoo. An object that is still open at the end of the text is closed
    there. What cannot be read is skipped, and the search goes on after its first brace. It never raises.
    """
    at, left = -1, _MAX_WORK
    for start, end, missing in _spans(text):
        if start <= at or end - start < 2:
            continue
        left -= end - start
        if left < 0:
            return
        value = _read(text[start:end] + "}" * missing)
        if value is not None:
            yield value
            at = end - 1


def _spans(text: str) -> list[tuple[int, int, int]]:
    """Return for each opening brace its place, where its object ends, and how many closing braces are missing there."""
    spans: list[tuple[int, int, int]] = []
    open_spans: list[int] = []
    for found in _BRACE.finditer(text):
        if found[0] == "{":
            open_spans.append(len(spans))
            spans.append((found.start(), len(text), 0))
        elif open_spans:
            index = open_spans.pop()
            spans[index] = (spans[index][0], found.end(), 0)
    for missing, index in enumerate(reversed(open_spans), 1):
        spans[index] = (spans[index][0], len(text), missing)
    return [span if span[1] - span[0] <= _MAX_LENGTH else _cut(text, span[0]) for span in spans]


def _cut(text: str, start: int) -> tuple[int, int, int]:
    end = start + _MAX_LENGTH
    opened = text.count("{", start, end) - text.count("}", start, end)
    return start, min(end, len(text)), opened


def _read(text: str) -> dict[str, JsonValue] | None:
    """Return the mapping in the text; None when it is not one."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
        return value if isinstance(value, dict) and _is_shallow(text) else None
    except (ValueError, RecursionError):
        pass
    try:
        value = read_flow_yaml(_with_hash_comments(text) if "//" in text else text)
    except FlowYamlError:
        return None
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # JSON has no NaN; the YAML reader takes it as text


def _is_shallow(text: str) -> bool:
    """Return whether the JSON nests no deeper than the YAML reader allows, so that both accept the same."""
    if text.count("{") + text.count("[") < MAX_DEPTH:
        return True
    deepest = depth = 0
    for found in _STRUCTURE.finditer(text):
        depth += 1 if found[0] in "{[" else -1 if found[0] in "]}" else 0
        deepest = max(deepest, depth)
    return deepest < MAX_DEPTH


_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def _with_hash_comments(text: str) -> str:
    """Turn `// notes` outside quotes into `# notes`; the slashes of a URL stay."""
    return "\n".join(_with_hash_comment(line) if "//" in line else line for line in text.split("\n"))


def _with_hash_comment(line: str) -> str:
    quote = ""
    for at, char in enumerate(line):
        if quote:
            if char == quote and not _is_escaped(line, at) and (quote == '"' or not _is_letter(line[at + 1 : at + 2])):
                quote = ""
        elif char == '"' or (char == "'" and not _is_letter(line[max(at - 1, 0) : at])):
            quote = char
        elif line.startswith("//", at) and "://" not in _word_before(line, at):
            end = at
            while line.startswith("/", end):
                end += 1
            return line[:at] + "#" * ((end - at) // 2) + line[end:]
    return line


def _is_escaped(line: str, at: int) -> bool:
    before = line[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _is_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _word_before(line: str, at: int) -> str:
    """Return the text from the last white space up to and including the two slashes here."""
    return _LAST_WORD.search(line, 0, at)[0] + "//"  # type: ignore[index]


_LAST_WORD = re.compile(rf"[^{JS_SPACE}]*\Z")
