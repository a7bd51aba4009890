"""Checks llama.cpp's answers against the JSON Schema that the call asked for.

llama.cpp turns a schema into a grammar, and leaves out what a grammar of its kind cannot hold, with no more than a line
in its own log: most patterns, bounds of numbers that are not whole, `multipleOf`, `if`, `not`, `uniqueItems` and more.
For text completions it leaves out the whole schema when one keyword cannot be held.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from evolve.core.formats.json_schemas import compile_open_schema
from evolve.core.model.answers import Answer
from evolve.core.model.json_value import JsonValue
from evolve.providers.replies import mapping

_UNHELD = re.compile(r"^[^^]|^$|[^$]$|\\[dDwWsSbBpPk1-9!]|\(\?[^:]")
"""What llama.cpp's converter answers with "accepting any string": no anchor at an end, classes by letter, groups with a
meaning."""
_DATA = ("enum", "const", "default", "examples")
_SHOWN_CHARS = 80
_ESCAPE = len("\\uXXXX")
_WORDS = ("true", "false", "null", "-", ".", "e+", "e-", "E+", "E-")
"""Words and parts of numbers that the end of a text may cut."""


def schema_of(config: Mapping[str, JsonValue]) -> JsonValue:
    """Return the JSON Schema that a config or a request asks for; None without one."""
    wanted = mapping(config.get("response_format"))
    if wanted.get("type") == "json_object":
        return wanted.get("schema", {"type": "object"})
    inner = mapping(wanted.get("json_schema")).get("schema") if "json_schema" in wanted else wanted.get("schema")
    return config.get("json_schema") if inner is None else inner


def held_to(answer: Answer, schema: JsonValue) -> Answer:
    """Return the answer, as an error if it does not fit the schema.

    An answer that was cut cannot fit; it is an error only if it does not even begin as JSON, or if the schema has a
    pattern without which the model may write on and on.

    Raises:
        CannotEvaluate: the schema is not valid.
    """
    text = _text(answer)
    if schema is None or answer.error is not None or not text:
        return answer
    problem = _problem(text, schema, is_cut=answer.is_cut)
    if problem is None:
        return answer
    why = f"the answer does not fit the JSON Schema of the call: {problem}"
    hint = "llama.cpp's grammars cannot hold all of it: docs/providers.md, Answers by a schema"
    return replace(answer, error=f"{why} ({hint})")


def _problem(text: str, schema: JsonValue, *, is_cut: bool) -> str | None:
    try:
        return compile_open_schema(schema)(json.loads(text))
    except json.JSONDecodeError as exc:
        return _unheld(schema) if is_cut and _is_beginning(text, exc) else _not_json(text, exc)
    except (ValueError, RecursionError) as exc:
        return _not_json(text, exc)


def _not_json(text: str, error: Exception) -> str:
    return f"not JSON: {error}: {text[:_SHOWN_CHARS]!r}"


def _unheld(schema: JsonValue) -> str | None:
    """Return the problem of the first pattern that no grammar holds; None if there is none."""
    found = next((pattern for pattern in _patterns(schema) if _UNHELD.search(pattern)), None)
    return None if found is None else f"it was cut at max_tokens, and the pattern {found!r} did not bind the model"


def _patterns(schema: JsonValue) -> Iterator[str]:
    parts: Iterable[JsonValue] = ()
    if isinstance(schema, dict):
        own = schema.get("pattern")
        if isinstance(own, str):
            yield own
        parts = (part for word, part in schema.items() if word not in _DATA)
    elif isinstance(schema, list):
        parts = schema
    for part in parts:
        yield from _patterns(part)


def _is_beginning(text: str, error: json.JSONDecodeError) -> bool:
    """Whether more text could make it JSON: the error is at its end, or in a string or word that the end cuts."""
    rest = text[error.pos :].strip()
    in_word = any(word.startswith(rest) for word in _WORDS)
    in_escape = error.msg.startswith("Invalid") and len(rest) < _ESCAPE
    return in_word or in_escape or error.msg.startswith("Unterminated string")


def _text(answer: Answer) -> str:
    """Return what the model wrote, in the reply's first choice; empty for a call of a tool."""
    choices = mapping(answer.raw).get("choices")
    first = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    message = mapping(first.get("message"))
    text = first.get("text") if "text" in first else message.get("content")
    return text if isinstance(text, str) and not message.get("tool_calls") else ""
