"""The functions that every template can call: `range`, `cycler`, `joiner`."""

import math
from collections.abc import Mapping
from typing import Final

from evolve.core.javascript.members import TemplateList
from evolve.core.javascript.values import (
    UNDEFINED,
    JsFunction,
    Value,
    number,
    to_number,
    truthy,
)
from evolve.core.templating.inputs import (
    MAX_ITEMS,
    Filter,
    check_size,
)


def _range(start: Value = UNDEFINED, stop: Value = UNDEFINED, step: Value = UNDEFINED) -> Value:
    if stop is UNDEFINED:
        start, stop, step = 0, start, 1
    first, end, stride = to_number(start), to_number(stop), to_number(step) if truthy(step) else 1
    if first != first or end != end or stride != stride:
        return TemplateList()
    amount = (end - first) / stride if stride else 0
    check_size(amount, MAX_ITEMS)
    return TemplateList(number(first + index * stride) for index in range(max(0, math.ceil(amount))))


def _joiner(separator: Value = UNDEFINED) -> Value:
    text, calls = separator if truthy(separator) else ",", iter([""])
    return JsFunction("joiner", lambda _args, _kwargs: next(calls, text))


def _cycler(*items: Value) -> Value:
    """Return a mapping with `current`, `next` and `reset`, which Nunjucks' object has too."""
    state: dict[str, Value] = {"current": None}
    position = [-1]

    def next_item(_args: list[Value], _kwargs: dict[str, Value]) -> Value:
        position[0] = (position[0] + 1) % len(items) if items else 0
        state["current"] = items[position[0]] if items else UNDEFINED
        return state["current"]

    def reset(_args: list[Value], _kwargs: dict[str, Value]) -> Value:
        position[0], state["current"] = -1, None
        return UNDEFINED

    state["next"], state["reset"] = JsFunction("next", next_item), JsFunction("reset", reset)
    return state


def _function(name: str, work: Filter, most: int | None) -> JsFunction:
    return JsFunction(name, lambda args, _kwargs: work(*args[:most]))


GLOBALS: Final[Mapping[str, Value]] = {
    "range": _function("range", _range, 3),
    "joiner": _function("joiner", _joiner, 1),
    "cycler": _function("cycler", _cycler, None),
}
