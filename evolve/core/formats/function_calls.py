"""The function calls in a model's output: as OpenAI, Anthropic and Google write them, as plain JSON, and as Python."""

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from evolve.core.formats.json_text import parse_json
from evolve.core.model.json_value import JsonValue

MAX_CHARS: Final = 20_000
"""Longer text is no call: a call is short, and the parser of Python needs memory by the length."""
_LISTS: Final = ("tool_calls", "calls")
_NAMES: Final = ("tool", "action", "function")
"""Keys that name a function wherever they are; `name` does so only next to arguments, or alone."""
_ARGUMENTS: Final = ("arguments", "args", "parameters", "input")
_NOT_ARGUMENTS: Final = frozenset((*_NAMES, "name", "id", "type", "index"))
_NO_CALL: Final = frozenset(("", "none", "null"))
"""Names that stand for no function: agents with a closed set of tools have one of these words for it."""
_BEGINNING: Final = re.compile(r"[\[(]?\s*[^\W\d][\w.]*\s*\(")
"""How Python calls begin; most prose does not, and need not be parsed."""
_ESCAPES: Final = re.compile(r"\\([\\'\"abfnrtvxNuU0-3\n])|\\")
"""An escape that Python knows, or a backslash before anything else, which it warns about."""
_FENCE: Final = re.compile(r"```\w*\n?(.*?)\n?```", re.DOTALL)


class FunctionCall(NamedTuple):
    """One call: the function's name and its arguments by name."""

    name: str
    arguments: Mapping[str, JsonValue]


def function_calls(output: JsonValue) -> list[FunctionCall]:
    """Return the calls in an output, in their order; empty where it calls nothing.

    Text is read as JSON, else as Python calls with literals (`f(x=1)`, or a list of such); a code fence around it is
    dropped. Prose is no call. Arguments that Python gives by position have their number as name.
    """
    if isinstance(output, str):
        return _calls_in_text(output)
    if isinstance(output, list):
        return [call for item in output if isinstance(item, dict) for call in _calls_in_mapping(item)]
    return list(_calls_in_mapping(output)) if isinstance(output, dict) else []


def _calls_in_text(text: str) -> list[FunctionCall]:
    if len(text) > MAX_CHARS:
        return []
    fenced = _FENCE.fullmatch(text.strip())
    bare = (fenced[1] if fenced else text).strip()
    if bare.startswith(("{", "[")):
        try:
            return function_calls(parse_json(bare))
        except ValueError:
            pass  # a list of Python calls begins with a bracket too
    return _python_calls(bare)


def _calls_in_mapping(output: Mapping[str, JsonValue]) -> Iterator[FunctionCall]:
    listed = next((output[key] for key in _LISTS if isinstance(output.get(key), list)), None)
    if listed is not None:
        yield from function_calls(listed)
        return
    google, function = output.get("functionCall"), output.get("function")
    if isinstance(google, dict):
        yield from _calls_in_mapping(google)
    elif isinstance(function, dict):
        yield from _calls_in_mapping(function)
    else:
        yield from _one_call(output)


def _one_call(output: Mapping[str, JsonValue]) -> Iterator[FunctionCall]:
    holder = next((key for key in _ARGUMENTS if key in output), None)
    name = next((output[key] for key in _NAMES if isinstance(output.get(key), str)), None)
    if name is None and (holder or output.keys() <= _NOT_ARGUMENTS):
        name = output.get("name")
    if isinstance(name, str) and name.strip().lower() not in _NO_CALL:
        yield FunctionCall(name.strip(), _arguments(output, holder))


def _arguments(output: Mapping[str, JsonValue], holder: str | None) -> Mapping[str, JsonValue]:
    if holder is None:
        return {key: value for key, value in output.items() if key not in _NOT_ARGUMENTS}
    given = output[holder]
    if isinstance(given, str):
        with contextlib.suppress(ValueError):  # else it stays text, which no expectation fits
            given = parse_json(given) if given.strip() else {}
    return given if isinstance(given, dict) else {} if given is None else {holder: given}


def _python_calls(text: str) -> list[FunctionCall]:
    if not _BEGINNING.match(text):
        return []
    known = _ESCAPES.sub(lambda found: found[0] if found[1] else "\\\\", text)
    try:
        tree = ast.parse(known, mode="eval").body
        nodes = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        calls = [_python_call(node) for node in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = [call for call in calls if call is not None]
    return found if len(found) == len(calls) else []


def _python_call(node: ast.expr) -> FunctionCall | None:
    if not isinstance(node, ast.Call) or not _is_name(node.func):
        return None
    named = {keyword.arg or "**": _literal(keyword.value) for keyword in node.keywords}
    return FunctionCall(ast.unparse(node.func), {str(at): _literal(arg) for at, arg in enumerate(node.args)} | named)


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_name(node.value))


def _literal(node: ast.expr) -> JsonValue:
    """Return a literal's value; anything else as its source text."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List() | ast.Tuple():
            return [_literal(item) for item in node.elts]
        case ast.Dict() if all(isinstance(key, ast.Constant) for key in node.keys):
            keys = [str(key.value) for key in node.keys if isinstance(key, ast.Constant)]
            return dict(zip(keys, map(_literal, node.values), strict=True))
    return ast.unparse(node)
