"""Members of values in templates, as in JavaScript: `.length`, indices, and the methods of text, lists and numbers.

Nothing of Python is reachable: a mapping has its keys, and methods run in the JavaScript engine on a copy.
"""

from collections.abc import Mapping
from typing import Final

from evolve.core.javascript.engine import JavaScriptError, evaluate_javascript
from evolve.core.javascript.values import (
    UNDEFINED,
    JsFunction,
    JsRegex,
    Safe,
    Value,
    is_number,
    js_keys,
    to_js_string,
    truthy,
    type_name,
    units,
)
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue

_WORDS = str.split
_OBJECT: Final = frozenset(_WORDS("hasOwnProperty toString toLocaleString valueOf isPrototypeOf propertyIsEnumerable"))
_STRING: Final = _OBJECT | frozenset(
    _WORDS(
        "at charAt charCodeAt codePointAt concat endsWith includes indexOf lastIndexOf localeCompare match "
        "normalize padEnd padStart repeat replace replaceAll search slice split startsWith substr substring "
        "toLowerCase toUpperCase toLocaleLowerCase toLocaleUpperCase trim trimStart trimEnd isWellFormed "
        "toWellFormed"
    )
)
_ARRAY: Final = _OBJECT | frozenset(
    _WORDS("at concat flat includes indexOf join lastIndexOf slice toReversed toSorted toSpliced with")
)
_NUMBER: Final = _OBJECT | frozenset(["toFixed", "toExponential", "toPrecision"])
_CALLBACKS: Final = frozenset(["map", "filter", "find", "findIndex", "findLast", "some", "every", "forEach", "flatMap"])
_MUTATORS: Final = frozenset(["push", "pop", "shift", "unshift", "reverse", "sort", "splice", "fill"])
_REVIVE: Final = (
    "target[name](...args.map((a) => a && typeof a === 'object' && a.$regex ? new RegExp(...a.$regex) : a))"
)


class TemplateList(list[Value]):
    """A list that a template made itself, and may therefore change."""


def get_member(target: Value, key: Value) -> Value:
    """Return `target[key]`; UNDEFINED when there is no such member, also on null and undefined."""
    if isinstance(target, Mapping):
        return _mapping_member(target, key)
    if isinstance(target, list | str):
        return _sequence_member(target, key)
    name = to_js_string(key)
    if is_number(target) or isinstance(target, bool):
        return _method(target, name) if name in _NUMBER else UNDEFINED
    return UNDEFINED


def _mapping_member(target: Mapping[str, Value], key: Value) -> Value:
    name = key if isinstance(key, str) else to_js_string(key)
    value = target.get(name, UNDEFINED)
    return _method(target, name) if value is UNDEFINED and name in _OBJECT else value


def _sequence_member(target: list[Value] | str, key: Value) -> Value:
    if key == "length" and isinstance(key, str):
        return len(units(target)) if isinstance(target, str) else len(target)
    index = _index(key)
    if index is not None:
        items = units(target) if isinstance(target, str) else target
        return items[index] if index < len(items) else UNDEFINED
    name = to_js_string(key)
    known = _STRING if isinstance(target, str) else _ARRAY | _CALLBACKS | _MUTATORS
    return _method(target, name) if name in known else UNDEFINED


def _index(key: Value) -> int | None:
    if is_number(key):
        return int(key) if key >= 0 and key == key // 1 and key < 2**32 else None
    # Array indices are below 2**32, which has ten digits.
    digits = isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 11
    return int(key) if isinstance(key, str) and digits and str(int(key)) == key else None


def _method(target: Value, name: str) -> JsFunction:
    return JsFunction(name, lambda args, kwargs: call_member(target, name, [*args, kwargs] if kwargs else args))


def call_member(target: Value, name: str, args: list[Value]) -> Value:
    """Return the result of `target.name(...args)`.

    Raises:
        CannotEvaluate: there is no such method, or it threw.
    """
    if isinstance(target, list) and name in _CALLBACKS:
        return _with_callback(target, name, args)
    if isinstance(target, list) and name in _MUTATORS:
        return _change(target, name, args)
    try:
        result = evaluate_javascript(
            _REVIVE, {"target": _plain(target), "name": name, "args": [_plain(argument) for argument in args]}
        )
    except JavaScriptError as exc:
        raise CannotEvaluate(f"{type_name(target)}.{name}(): {exc.text}") from None
    if result.kind == "undefined":
        return UNDEFINED
    if result.kind == "number":
        return float(result.shown.replace("Infinity", "inf"))
    if result.kind == "function":
        raise CannotEvaluate(f"{type_name(target)}.{name}() returns a function, which templates cannot use")
    return TemplateList(result.value) if isinstance(result.value, list) else result.value


def _plain(value: Value) -> JsonValue:
    """Return the value as JSON for the engine; undefined becomes null, a regular expression is marked."""
    if isinstance(value, JsRegex):
        return {"$regex": [value.pattern, value.flags]}
    if isinstance(value, Safe):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in js_keys(value)}
    if value is UNDEFINED or isinstance(value, JsFunction):
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _with_callback(target: list[Value], name: str, args: list[Value]) -> Value:
    if not args or not isinstance(args[0], JsFunction):
        raise CannotEvaluate(f"array.{name}() needs a function: a macro's name")
    call = args[0].call
    answers = [(item, call([item, index], {})) for index, item in enumerate(target)]
    if name == "map":
        return TemplateList(answer for _, answer in answers)
    kept = [(index, item) for index, (item, answer) in enumerate(answers) if truthy(answer)]
    if name == "filter":
        return TemplateList(item for _, item in kept)
    if name in ("some", "every"):
        return bool(kept) if name == "some" else len(kept) == len(target)
    if name == "findIndex":
        return kept[0][0] if kept else -1
    if name in ("find", "findLast"):
        return kept[0 if name == "find" else -1][1] if kept else UNDEFINED
    raise CannotEvaluate(f"array.{name}() is not supported in templates")


def _change(target: list[Value], name: str, args: list[Value]) -> Value:
    if name in ("sort", "reverse") and not args:
        ordered = target[::-1] if name == "reverse" else sorted(target, key=_sort_key)
        if isinstance(target, TemplateList):
            target[:] = ordered
        return target if isinstance(target, TemplateList) else TemplateList(ordered)
    if not isinstance(target, TemplateList):
        raise CannotEvaluate(
            f"array.{name}() would change a variable for everyone who reads it; use a list of your own"
        )
    if name in ("push", "unshift"):
        target[:] = [*target, *args] if name == "push" else [*args, *target]
        return len(target)
    if name in ("pop", "shift"):
        return target.pop(-1 if name == "pop" else 0) if target else UNDEFINED
    raise CannotEvaluate(f"array.{name}() is not supported in templates")


def _sort_key(item: Value) -> tuple[bool, str]:
    """Return the key of JavaScript's default order: by text, undefined last."""
    return item is UNDEFINED, units(to_js_string(item))
