"""JSON values with the semantics of JavaScript: printing, truth, equality, arithmetic. Templates and transforms use it.

Python ints and floats both represent a double: 2.0 is 2, and integers beyond 2**53 are rounded.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from json.encoder import encode_basestring
from typing import Final, TypeAlias, TypeGuard

Value: TypeAlias = object
"""A JSON value, UNDEFINED, a Safe string, a JsRegex or a JsFunction."""

_SAFE_INTEGER: Final = 2**53
"""A double represents every integer up to here exactly."""
# `re.A`: `\d` would match the digits of all scripts, JavaScript's only those of ASCII.
_NUMERIC: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.A)
_FLOAT_PREFIX: Final = re.compile(r"[+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.A)
_ARRAY_INDEX: Final = re.compile(r"(?:0|[1-9]\d{0,9})\Z", re.A)
JS_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""The characters that `\\s` matches in JavaScript, for a character class; Python's `\\s` differs."""
_STRIPPED: Final = "".join(
    chr(c)
    for c in (*range(9, 14), 32, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF)
)


class Undefined:
    """The type of UNDEFINED."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()


class Safe(str):
    """A string that was marked safe (Nunjucks' SafeString): an object to `===` and to truth, a string otherwise."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class JsRegex:
    """A regular expression literal."""

    pattern: str
    flags: str = ""

    def __str__(self) -> str:
        return f"/{self.pattern}/{self.flags}"


@dataclass(frozen=True, slots=True)
class JsFunction:
    """Something that can be called: positional arguments, and Nunjucks' keyword arguments."""

    name: str
    call: Callable[[list[Value], dict[str, Value]], Value]


def is_number(value: Value) -> TypeGuard[int | float]:
    """Return whether the value is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_name(value: Value) -> str:
    """Return the type as messages show it: that of `typeof`, but null and array are types of their own."""
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "number" if is_number(value) else "function" if isinstance(value, JsFunction) else "object"


def number(value: float) -> int | float:
    """Return the number in its normal form: an int where it is one exactly."""
    if isinstance(value, int):
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else _to_float(value)
    if value.is_integer() and abs(value) <= _SAFE_INTEGER:
        return int(value)
    return value


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number_text(value: int | float) -> str:
    """Return a number as JavaScript prints it (ECMA-262, Number::toString)."""
    if isinstance(value, int):
        if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
            return str(int(value))
        value = _to_float(value)
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    # Below 1e15 an integer prints without an exponent, exactly.
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    sign, digits_tuple, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digits_tuple)).lstrip("0")
    stripped = digits.rstrip("0")
    point = len(digits) + int(exponent)
    text = _place_point(stripped, point)
    return f"-{text}" if sign else text


def _place_point(digits: str, point: int) -> str:
    """Return digits with the decimal point after `point` of them, or with an exponent beyond 21 and below -6."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = point - 1
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def to_js_string(value: Value) -> str:
    """Return `String(value)`: true, 2, 1e+21, null, undefined, "1,2" for a list, [object Object] for a mapping."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else to_js_string(item) for item in value)
    if isinstance(value, Mapping):
        return "[object Object]"
    return "null" if value is None else f"function {value.name}" if isinstance(value, JsFunction) else str(value)


def js_keys(mapping: Mapping[str, Value]) -> Iterable[str]:
    """Return the keys in JavaScript's order: array indices ascending, then the others as inserted."""
    indices = [key for key in mapping if key[:1].isdigit() and _ARRAY_INDEX.match(key) and int(key) < 2**32 - 1]
    if not indices:
        return mapping
    return [*sorted(indices, key=int), *(key for key in mapping if key not in set(indices))]


def to_json(value: Value, indent: int | str = "") -> str:
    """Return `JSON.stringify(value, null, indent)`; "null" where that is undefined. `indent` is cut to ten."""
    gap = " " * min(indent, 10) if isinstance(indent, int) else indent[:10]
    return _json(value, gap, "\n")


def _json(value: Value, gap: str, line: str) -> str:
    if isinstance(value, str):
        return str(encode_basestring(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value) if math.isfinite(value if isinstance(value, float) else 0) else "null"
    if isinstance(value, list):
        return _enclose("[", "]", [_json(item, gap, line + gap) for item in value], gap, line)
    if isinstance(value, Mapping):
        colon = ": " if gap else ":"
        items = [
            encode_basestring(key) + colon + _json(value[key], gap, line + gap)
            for key in js_keys(value)
            if not is_left_out(value[key])
        ]
        return _enclose("{", "}", items, gap, line)
    return "{}" if isinstance(value, JsRegex) else "null"


def is_left_out(value: Value) -> bool:
    """Return whether JSON.stringify returns undefined for it, and leaves it out of mappings."""
    return value is UNDEFINED or isinstance(value, JsFunction)


def _enclose(start: str, end: str, items: list[str], gap: str, line: str) -> str:
    if not items:
        return start + end
    if not gap:
        return start + ",".join(items) + end
    return start + line + gap + ("," + line + gap).join(items) + line + end


def js_strip(text: str) -> str:
    """Return `text.trim()`."""
    return text.strip(_STRIPPED)


def truthy(value: Value) -> bool:
    """Return whether `if (value)` holds. "", 0, NaN, null and undefined are false; [], {} and "0" are true."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return bool(value) or isinstance(value, Safe)
    if isinstance(value, int | float):
        return value == value and value != 0
    return value is not None and value is not UNDEFINED


def to_number(value: Value) -> int | float:
    """Return `Number(value)`; NaN when it is not a number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return number(value)
    if value is None:
        return 0
    if isinstance(value, str):
        return _parse_number(js_strip(value))
    return _parse_number(js_strip(to_js_string(value))) if isinstance(value, list) else math.nan


def _parse_number(text: str) -> int | float:
    if not text:
        return 0
    if _NUMERIC.match(text):
        return number(float(text))
    if text.lower()[:2] in ("0x", "0b", "0o"):
        digits = {"x": "0-9a-f", "b": "01", "o": "0-7"}[text[1].lower()]
        return number(int(text, 0)) if re.fullmatch(f"0.[{digits}]+", text, re.I | re.A) else math.nan
    return {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}.get(text, math.nan)


def parse_float(value: Value) -> int | float:
    """Return `parseFloat(value)`: the number at the beginning of the text, or NaN."""
    found = _FLOAT_PREFIX.match(js_strip(to_js_string(value)))
    return _parse_number(found[0]) if found else math.nan


def parse_int(value: Value, base: int = 10) -> int | float:
    """Return `parseInt(value, base)`: the integer at the beginning of the text, or NaN."""
    text = js_strip(to_js_string(value)).lower()
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-") if text[:1] in ("+", "-") else text
    if base in (0, 16) and text.startswith("0x"):
        text, base = text[2:], 16
    base = base or 10
    if not 2 <= base <= 36:
        return math.nan
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"[:base]
    end = next((index for index, char in enumerate(text) if char not in digits), len(text))
    # A double is infinite beyond 309 decimal digits, and Python refuses to convert more than 4,300.
    return number(sign * int(text[:end][:400], base)) if end else math.nan


def to_primitive(value: Value) -> Value:
    """Return lists, mappings, regular expressions and safe strings as text; other values unchanged."""
    return to_js_string(value) if isinstance(value, list | Mapping | JsRegex | JsFunction | Safe) else value


def strict_equal(left: Value, right: Value) -> bool:
    """Return `left === right`: lists and mappings are equal only to themselves."""
    if is_number(left) and is_number(right):
        return number(left) == number(right)
    if isinstance(left, Safe) or isinstance(right, Safe):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, bool) and isinstance(right, bool):
        return left == right
    return left is right


def loose_equal(left: Value, right: Value) -> bool:
    """Return `left == right` with JavaScript's conversions."""
    left_empty, right_empty = left is None or left is UNDEFINED, right is None or right is UNDEFINED
    if left_empty or right_empty:
        return left_empty and right_empty
    if _is_object(left) and _is_object(right):
        return left is right
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return to_number(left) == to_number(right)


def _is_object(value: Value) -> bool:
    return isinstance(value, list | Mapping | JsRegex | JsFunction | Safe)


def less(left: Value, right: Value) -> bool | None:
    """Return `left < right`: text by UTF-16 units, everything else as numbers; None where one is NaN."""
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return _units_key(left) < _units_key(right)
    a, b = to_number(left), to_number(right)
    return None if a != a or b != b else a < b


def _units_key(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def add(left: Value, right: Value) -> str | int | float:
    """Return `left + right`: text as soon as one side is text, a list or a mapping."""
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) or isinstance(right, str):
        return to_js_string(left) + to_js_string(right)
    return _arithmetic(lambda a, b: a + b, left, right)


def subtract(left: Value, right: Value) -> int | float:
    """Return `left - right`."""
    return _arithmetic(lambda a, b: a - b, left, right)


def multiply(left: Value, right: Value) -> int | float:
    """Return `left * right`."""
    return _arithmetic(lambda a, b: a * b, left, right)


def divide(left: Value, right: Value) -> int | float:
    """Return `left / right`; by zero it is an infinity, or NaN."""
    return _arithmetic(_divide, left, right)


def remainder(left: Value, right: Value) -> int | float:
    """Return `left % right`; the sign is the left side's."""
    return _arithmetic(lambda a, b: math.nan if not b or math.isinf(a) else math.fmod(a, b), left, right)


def power(left: Value, right: Value) -> int | float:
    """Return `Math.pow(left, right)`."""
    return _arithmetic(_power, left, right)


def floor(value: int | float) -> int | float:
    """Return `Math.floor(value)`."""
    return number(float(math.floor(value))) if math.isfinite(value) else value


def _arithmetic(operation: Callable[[float, float], float], left: Value, right: Value) -> int | float:
    a, b = to_number(left), to_number(right)
    return math.nan if a != a or b != b else number(operation(a, b))


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    if abs(a) == 1 and math.isinf(b):
        return math.nan
    try:
        result = float(a) ** float(b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ZeroDivisionError:
        return math.inf
    return result if isinstance(result, float) else math.nan


def units(text: str) -> str:
    """Return the text as UTF-16 units, so that indices are JavaScript's: one beyond the BMP becomes two surrogates."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(data[i] | data[i + 1] << 8) for i in range(0, len(data), 2))


def from_units(text: str) -> str:
    """Return the inverse of `units`; unpaired surrogates become U+FFFD, as when JavaScript writes UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def to_fixed(value: float, digits: int) -> str:
    """Return the number with `digits` decimals, halves rounded away from zero (JavaScript's `toFixed`)."""
    if value != value or value in (float("inf"), float("-inf")):
        return to_js_string(value)
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
