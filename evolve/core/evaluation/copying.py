"""Fields that an agent copies from its case: the schema of one call names the values that the case has.

A small model repeats the argument of its demos. Where it can only answer with a value of the case, it has to choose.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from evolve.core.formats.json_schemas import compile_json_schema
from evolve.core.model.json_value import JsonValue

_WORD = re.compile(r"[^\s\"'`,;()<>{}|\\\u00b4\u2018-\u201f]+")
_EDGES = ".:!?*"
"""What ends a sentence or marks a word, and is no part of a name."""
_JOINTS = re.compile(r"[=:@]+|//+|[\[\]#]")
_HOST = re.compile(r"[A-Za-z0-9_][\w.-]*:\d{1,5}\b")
_URL_HOST = re.compile(r"//(?:[^/@]*@)?([\w.-]+(?::\d+)?)")
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[\d.]*\d[a-z]?")
"""Words of the language, counts, versions: not what a field names, where the case has a name."""
_ADDRESS = re.compile(r"\d+(?:\.\d+){3}")
_MAX_VALUES = 150
"""Of one field. A grammar of more takes longer to read than an answer takes to write."""


def copied_from(schema: Mapping[str, JsonValue], names: Sequence[str], case: str) -> dict[str, JsonValue]:
    """Return the output schema with the values of the case for these fields; a field that none fits stays open.

    Args:
        schema: of the agent's answer: an object, or one of several by `anyOf`.
        names: of the fields.
        case: as the prompt shows it.
    """
    words = list(dict.fromkeys(_words(case)))
    return _closed(schema, names, words)


def _closed(schema: Mapping[str, JsonValue], names: Sequence[str], words: Sequence[str]) -> dict[str, JsonValue]:
    choice, fields = schema.get("anyOf"), schema.get("properties")
    made = dict(schema)
    if isinstance(choice, list):
        made["anyOf"] = [_closed(one, names, words) if isinstance(one, dict) else one for one in choice]
    if isinstance(fields, dict):
        made["properties"] = {
            name: _field(part, words) if name in names and isinstance(part, dict) else part
            for name, part in fields.items()
        }
    return made


def _field(part: Mapping[str, JsonValue], words: Sequence[str]) -> JsonValue:
    problem_of = compile_json_schema(dict(part))
    is_number = part.get("type") in ("integer", "number")
    read: Iterator[JsonValue] = (int(word) if is_number else word for word in words if _is_whole(word) == is_number)
    fitting: list[JsonValue] = [value for value in read if problem_of(value) is None]
    values = [value for value in fitting if not _is_plain(str(value))] or fitting if not is_number else fitting
    return {"enum": values[:_MAX_VALUES]} if values else dict(part)


def _is_plain(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None and _ADDRESS.fullmatch(word) is None


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10 and not word.startswith("0")


def _words(text: str) -> Iterator[str]:
    """Yield each word, what it is made of, the host of an address, and the folders above a path."""
    for word in _WORD.findall(text):
        whole = word.rstrip(_EDGES).lstrip(":")
        if whole.count("[") == whole.count("]"):
            yield whole
        for part in (one.rstrip(_EDGES) for one in _JOINTS.split(whole)):
            yield part
            yield from _folders(part)
        yield from _HOST.findall(whole)
        yield from (host.rstrip(_EDGES) for host in _URL_HOST.findall(whole))


def _folders(path: str) -> Iterator[str]:
    steps = path.split("/") if path.startswith("/") else []
    yield from ("/".join(steps[:count]) for count in range(len(steps) - 1, 1, -1))
