"""`contains`, `icontains` and their -all and -any forms: the output holds a text, or several."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, quote, wrong_value
from evolve.core.javascript.values import JS_SPACE, js_strip, to_js_string
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_ONE: JsonValue = {"anyOf": [NON_EMPTY_TEXT, {"type": "number"}]}
_SEVERAL: JsonValue = {"anyOf": [NON_EMPTY_TEXT, {"type": "array"}], "x-expected": "a list, or text with commas"}


@assertion_type("contains", value_schema=_ONE, value_required=True)
def contains(check: AssertionInput) -> Verdict:
    """Pass when the output holds the text, or the number as JavaScript prints it."""
    needle = _needle(check)
    return _one(check, needle, needle in check.text)


@assertion_type("icontains", value_schema=_ONE, value_required=True)
def icontains(check: AssertionInput) -> Verdict:
    """Pass like `contains`, with both sides in lower case."""
    needle = _needle(check)
    return _one(check, needle, needle.lower() in check.text.lower())


@assertion_type("contains-any", value_schema=_SEVERAL, value_required=True)
def contains_any(check: AssertionInput) -> Verdict:
    """Pass when the output holds at least one of the texts."""
    return _any(check, _needles(check), check.text)


@assertion_type("icontains-any", value_schema=_SEVERAL, value_required=True)
def icontains_any(check: AssertionInput) -> Verdict:
    """Pass like `contains-any`, with both sides in lower case."""
    return _any(check, _needles(check), check.text.lower(), str.lower)


@assertion_type("contains-all", value_schema=_SEVERAL, value_required=True)
def contains_all(check: AssertionInput) -> Verdict:
    """Pass when the output holds every one of the texts."""
    return _all(check, _needles(check), check.text)


@assertion_type("icontains-all", value_schema=_SEVERAL, value_required=True)
def icontains_all(check: AssertionInput) -> Verdict:
    """Pass like `contains-all`, with both sides in lower case."""
    return _all(check, _needles(check), check.text.lower(), str.lower)


def _needle(check: AssertionInput) -> str:
    value = check.assertion.value
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return to_js_string(value)
    raise wrong_value(check, "text that is not empty, or a number")


def _one(check: AssertionInput, needle: str, holds: bool) -> Verdict:
    if holds != check.negated:
        return check.verdict(holds, "")
    return check.verdict(holds, f"Expected output to {_not(check)}contain {quote(needle)}, got {quote(check.text)}")


def _needles(check: AssertionInput) -> tuple[str, ...]:
    value = check.assertion.value
    if isinstance(value, str) and value:
        return split_list(value)
    if isinstance(value, list):
        return tuple(item if isinstance(item, str) else to_js_string(item) for item in value)
    raise wrong_value(check, "a list, or text with commas")


def _any(check: AssertionInput, needles: Iterable[str], text: str, fold: Callable[[str], str] = str) -> Verdict:
    holds = any(fold(needle) in text for needle in needles)
    if holds != check.negated:
        return check.verdict(holds, "")
    wanted = f"{'none' if check.negated else 'one'} of {_list_text(needles)}"
    return check.verdict(holds, f"Expected output to contain {wanted}, got {quote(check.text)}")


def _all(check: AssertionInput, needles: Iterable[str], text: str, fold: Callable[[str], str] = str) -> Verdict:
    missing = [needle for needle in needles if fold(needle) not in text]
    if (not missing) != check.negated:
        return check.verdict(not missing, "")
    lacking = f". Missing: {_list_text(missing)}" if missing else ""
    reason = f"Expected output to {_not(check)}contain all of {_list_text(needles)}{lacking}, got {quote(check.text)}"
    return check.verdict(not missing, reason)


def _not(check: AssertionInput) -> str:
    return "not " if check.negated else ""


def _list_text(needles: Iterable[str]) -> str:
    return "[" + ", ".join(needles) + "]"


_SEPARATORS = re.compile(f"[{JS_SPACE},]*")
_SPACE = re.compile(f"[{JS_SPACE}]*")
_QUOTED = re.compile(r'"((?:\\["\\]|""|[^"])*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])|"(")')


@lru_cache(maxsize=1024)
def split_list(text: str) -> tuple[str, ...]:
    """Return the trimmed fields of a comma list, without empty ones; double quotes keep commas and spaces.

    >>> split_list('a, "b, c" ,,d')
    ('a', 'b, c', 'd')

    Raises:
        CannotEvaluate: a quoted field does not end, or something follows it before the comma.
    """
    fields: list[str] = []
    at = _after(_SEPARATORS, text, 0)
    while at < len(text):
        if text[at] == '"':
            field, at = _read_quoted_field(text, at)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            field, at = js_strip(text[at:end]), end
        fields.append(field)
        at = _after(_SEPARATORS, text, at)
    return tuple(fields)


def _read_quoted_field(text: str, at: int) -> tuple[str, int]:
    found = _QUOTED.match(text, at)
    if found is None:
        raise CannotEvaluate(f"expected a closing quote in the value's field {quote(text[at:])}")
    end = _after(_SPACE, text, found.end())
    if end < len(text) and text[end] != ",":
        raise CannotEvaluate(f"expected a comma after the value's quoted field {found[0]}, got {quote(text[end:])}")
    return _ESCAPED.sub(lambda escape: escape[1] or escape[2], found[1]), end


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
