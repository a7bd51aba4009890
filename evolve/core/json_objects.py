"""JSON objects in the middle of prose, as promptfoo finds them: for `contains-json` and for what graders answer."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import yaml

from evolve.core.json_value import JsonValue
from evolve.core.js_values import to_js_string
from evolve.core.yaml12 import plain_scalar

MAX_LENGTH: Final = 100_000
"""Longer objects are cut here, as promptfoo does."""

MAX_DEPTH: Final = 100
"""Deeper nesting is no object: readers of YAML recurse."""

MAX_WORK: Final = 3_000_000
"""Characters that are looked at for one text in sum; hostile text such as 100,000 opening braces would take minutes."""


def json_objects(text: str) -> Iterator[dict[str, JsonValue] | list[JsonValue]]:
    """Each object that begins with `{`, in order, never one inside another.

    From every `{` the text up to its balanced `}` is read as YAML (so `{pass: true}` counts, and braces inside strings
    do too); an object that the text's end cuts off is closed. Nothing is raised: what cannot be read is skipped.
    """
    work = 0
    start = text.find("{")
    while start != -1 and start + 1 < len(text) and work < MAX_WORK:
        end, missing, depth = _balanced_end(text, start)
        work += end - start
        found = _read(text[start:end] + "}" * missing) if depth <= MAX_DEPTH else None
        if found is not None:
            yield found
        start = text.find("{", end if found is not None else start + 1)


def first_json_object(text: str) -> dict[str, JsonValue] | None:
    """The first object in the text, None when there is none (a list does not count)."""
    found = next(json_objects(text), None)
    return found if isinstance(found, dict) else None


def _balanced_end(text: str, start: int) -> tuple[int, int, int]:
    """Where the object ends, how many braces it lacks there, and how deep it nests."""
    limit = min(len(text), start + MAX_LENGTH)
    is_open = depth = 1
    position = start + 1
    while is_open and position < limit:
        char = text[position]
        if char == "{":
            is_open += 1
            depth = max(depth, is_open)
        elif char == "}":
            is_open -= 1
        position += 1
    return position, is_open, depth


def _read(text: str) -> dict[str, JsonValue] | list[JsonValue] | None:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        yaml_text = _hash_comments(text)
        value = _read_yaml(yaml_text) or _read_yaml(_NO_VALUE.sub(": ", yaml_text))
    return value if isinstance(value, dict | list) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN is a word to YAML


def _read_yaml(text: str) -> JsonValue:
    if text.count("[") > MAX_DEPTH and _list_depth(text) > MAX_DEPTH:
        return None
    try:
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return _value(node, set())
    except (yaml.YAMLError, UnicodeEncodeError, _NotPlain):
        return None


def _list_depth(text: str) -> int:
    deepest = depth = 0
    for char in text:
        depth += (char == "[") - (char == "]" and depth > 0)
        deepest = max(deepest, depth)
    return deepest


class _NotPlain(Exception):
    """A tag of another type, or an alias inside of what it names."""


_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in "null bool int float timestamp value merge str seq map".split()}
_NO_VALUE: Final = re.compile(r":(?=[}\],])")
"""`{a:}` has a key without a value; libyaml wants a space before the brace."""


def _value(node: Any, around: set[int]) -> JsonValue:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if node is None or id(node) in around or node.tag not in _TAGS:
        raise _NotPlain
    around.add(id(node))
    value: JsonValue
    if isinstance(node, yaml.SequenceNode):
        value = [_value(item, around) for item in node.value]
    else:
        value = _mapping(node, around)
    around.discard(id(node))
    return value


def _mapping(node: yaml.MappingNode, around: set[int]) -> dict[str, JsonValue]:
    value: dict[str, JsonValue] = {}
    merged: dict[str, JsonValue] = {}
    for key_node, item_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _NotPlain
        key, item = _scalar(key_node), _value(item_node, around)
        if key == "<<" and key_node.style is None:
            merged |= item if isinstance(item, dict) else {}
        else:
            value[key if isinstance(key, str) else to_js_string(key)] = item
    return merged | value if merged else value


def _scalar(node: yaml.ScalarNode) -> JsonValue:
    if node.tag not in _TAGS:
        raise _NotPlain
    return str(node.value) if node.style else plain_scalar(str(node.value))


def _hash_comments(text: str) -> str:
    """`// note` as `# note`, where it stands outside of strings and is no part of a URL."""
    if "//" not in text:
        return text
    return "\n".join(_hash_comment(line) if "//" in line else line for line in text.split("\n"))


def _hash_comment(line: str) -> str:
    quote = ""
    for position, char in enumerate(line):
        before, after = line[position - 1 : position], line[position + 1 : position + 2]
        if quote:
            if char == quote and not _is_escaped(line, position) and not (quote == "'" and _is_letter(after)):
                quote = ""
        elif char == '"' or (char == "'" and not _is_letter(before)):
            quote = char
        elif char == "/" and after == "/" and not _is_url(line, position):
            slashes = len(line[position:]) - len(line[position:].lstrip("/"))
            return line[:position] + "#" * (slashes // 2) + line[position + slashes :]
    return line


def _is_escaped(line: str, position: int) -> bool:
    head = line[:position]
    return (len(head) - len(head.rstrip("\\"))) % 2 == 1


def _is_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _is_url(line: str, position: int) -> bool:
    words = line[: position + 2].split()
    return bool(words) and "://" in words[-1]
