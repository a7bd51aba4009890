"""JSON text as `JSON.parse` reads it, and equality of JSON values."""

import json
import math
from typing import NoReturn

from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode
_decode_lines = json.JSONDecoder(strict=False).raw_decode
_MAX_BRACES = 100
_decode_wide = json.JSONDecoder(parse_constant=_refuse, parse_int=float).decode


def parse_json(text: str) -> JsonValue:
    """Return the value of a JSON text.

    NaN, a byte order mark and a trailing comma are errors. Numbers beyond a double are infinite.

    Raises:
        ValueError: the text is not JSON.
        CannotEvaluate: it is nested too deeply.
    """
    try:
        return _decode(text)  # type: ignore[no-any-return]
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise CannotEvaluate("the output is JSON that is nested too deeply") from None
    except ValueError:
        # An integer of more digits than Python converts: a double holds it, as it does in JavaScript.
        return _decode_wide(text)  # type: ignore[no-any-return]


def json_or(text: str | bytes, otherwise: JsonValue) -> JsonValue:
    """Return the value of a text that may be JSON, as Python's `json` reads it; `otherwise` when it is not JSON."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return otherwise
    return value


def objects_in(text: str) -> list[dict[str, JsonValue]]:
    """Return the JSON objects in a text, the outermost ones, in their order; line breaks in strings are accepted.

    Only the first hundred opening braces are tried, so that a text of braces alone takes no time.
    """
    found: list[dict[str, JsonValue]] = []
    at = text.find("{")
    for _ in range(_MAX_BRACES):
        if at < 0:
            break
        try:
            value, end = _decode_lines(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = text.find("{", end)
    return found


def deep_equal(left: JsonValue, right: JsonValue) -> bool:
    """Return whether both values are equal: 1 is 1.0, true is not 1, 0 is not -0, the order of keys does not count."""
    if isinstance(left, dict):
        if not isinstance(right, dict) or len(left) != len(right):
            return False
        return all(key in right and deep_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        if not isinstance(right, list) or len(left) != len(right):
            return False
        return all(map(deep_equal, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _same_number(left, right)
    return left == right and type(left) is type(right)


def _same_number(left: int | float, right: int | float) -> bool:
    try:
        left, right = float(left), float(right)
    except OverflowError:
        return left == right
    if left != left or right != right:
        return left != left and right != right
    return left == right and math.copysign(1, left) == math.copysign(1, right)
