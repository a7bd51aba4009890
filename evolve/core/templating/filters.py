"""The filters of Nunjucks 3.2, on JSON values.

A filter gets its input, then the arguments; null, false and odd types give what they give in Nunjucks, and so
do the default sizes (80, 4, 255). `random` is refused: a run must be repeatable.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import cmp_to_key
from typing import Final
from urllib.parse import quote

from evolve.core.javascript.members import TemplateList, call_member, get_member
from evolve.core.javascript.values import (
    JS_SPACE,
    UNDEFINED,
    JsRegex,
    Safe,
    Value,
    add,
    is_left_out,
    is_number,
    js_keys,
    js_strip,
    less,
    number,
    parse_float,
    parse_int,
    strict_equal,
    to_js_string,
    to_json,
    to_number,
    truthy,
    units,
)
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.inputs import (
    MAX_ITEMS,
    MAX_TEXT,
    Filter,
    a_kind,
    check_size,
    items_of,
    present,
    strict_text,
    text_of,
)
from evolve.core.templating.tests import find_test


def _like(original: Value, text: str) -> str:
    """Return the text, marked safe when the original was."""
    return Safe(text) if isinstance(original, Safe) else text


def _count(value: Value, default: int) -> int:
    """Return an optional size argument: 0, null, undefined and "" mean the default."""
    if not truthy(value):
        return default
    size = to_number(value)
    return int(size) if math.isfinite(size) else MAX_TEXT + 1


def _abs(value: Value) -> Value:
    return abs(to_number(value))


def _batch(value: Value, size: Value = UNDEFINED, fill: Value = UNDEFINED) -> Value:
    items, width = items_of(value, "batch"), to_number(size)
    if width != width or width <= 0:
        return TemplateList([TemplateList(items)] if items else [])
    check_size(width if truthy(fill) else 0, MAX_ITEMS)
    step = math.ceil(width)
    rows = TemplateList(TemplateList(items[start : start + step]) for start in range(0, len(items), step))
    if rows and truthy(fill) and isinstance(rows[-1], list):
        rows[-1].extend([fill] * (step - len(rows[-1])))
    return rows


def _capitalize(value: Value) -> Value:
    text = text_of(value, "capitalize")
    return _like(value, text.lower()[:1].upper() + text.lower()[1:])


def _center(value: Value, width: Value = UNDEFINED) -> Value:
    given = "" if value is None or value is UNDEFINED or value is False else value
    text, size, length = to_js_string(given), _count(width, 80), get_member(given, "length")
    if not isinstance(length, int):
        return text
    if length >= size:
        return given
    check_size(size)
    spaces = size - length
    before = math.ceil(spaces / 2 - spaces % 2)
    return _like(value, " " * before + text + " " * math.ceil(spaces / 2))


def _default(value: Value, fallback: Value = UNDEFINED, also_falsy: Value = UNDEFINED) -> Value:
    if truthy(also_falsy):
        return value if truthy(value) else fallback
    return fallback if value is UNDEFINED else value


def _dictsort(value: Value, case_sensitive: Value = UNDEFINED, by: Value = UNDEFINED) -> Value:
    if not isinstance(value, Mapping):
        raise CannotEvaluate(f"filter `dictsort` needs a mapping, not {a_kind(value)}")
    if by not in (UNDEFINED, "key", "value"):
        raise CannotEvaluate("filter `dictsort` sorts by 'key' or 'value'")
    place = 1 if by == "value" else 0
    pairs: list[Value] = [TemplateList([key, value[key]]) for key in js_keys(value)]

    def compare(left: Value, right: Value) -> int:
        a, b = get_member(left, place), get_member(right, place)
        if not truthy(case_sensitive):
            a, b = (side.upper() if isinstance(side, str) else side for side in (a, b))
        return 1 if less(b, a) else 0 if strict_equal(a, b) else -1

    return TemplateList(sorted(pairs, key=cmp_to_key(compare)))


def _dump(value: Value, indent: Value = UNDEFINED) -> Value:
    if is_left_out(value):
        return UNDEFINED
    return to_json(
        value, int(indent) if is_number(indent) and indent > 0 else indent if isinstance(indent, str) else ""
    )


_ESCAPES: Final = {
    ord(char): text
    for char, text in zip("&\"'<>\\", ("&amp;", "&quot;", "&#39;", "&lt;", "&gt;", "&#92;"), strict=True)
}


def _forceescape(value: Value) -> Value:
    return Safe("" if value is None or value is UNDEFINED else to_js_string(value).translate(_ESCAPES))


def _escape(value: Value) -> Value:
    return value if isinstance(value, Safe) else _forceescape(value)


def _safe(value: Value) -> Value:
    return Safe("" if value is None or value is UNDEFINED else to_js_string(value))


def _first(value: Value) -> Value:
    return get_member(present(value, "first"), 0)


def _last(value: Value) -> Value:
    sequence = present(value, "last")
    length = get_member(sequence, "length")
    return get_member(sequence, length - 1) if isinstance(length, int) and length else UNDEFINED


def _attribute(path: Value) -> Callable[[Value], Value]:
    """Return a function that reads an attribute of an item; dots go deeper."""
    parts: list[Value] = list(path.split(".")) if isinstance(path, str) and path else [path] if truthy(path) else []

    def read(item: Value) -> Value:
        for part in parts:
            item = get_member(item, part)
        return item

    return read


def _groupby(value: Value, attribute: Value = UNDEFINED) -> Value:
    groups: dict[str, Value] = {}
    read = _attribute(attribute)
    for item in items_of(present(value, "groupby"), "groupby"):
        group = groups.setdefault(to_js_string(read(item)), TemplateList())
        if isinstance(group, list):
            group.append(item)
    return groups


def _indent(value: Value, width: Value = UNDEFINED, first: Value = UNDEFINED) -> Value:
    text, size = text_of(value, "indent"), _count(width, 4)
    if not text:
        return ""
    lines = text.split("\n")
    check_size(size * len(lines))
    space = " " * size
    return _like(
        value, "\n".join(line if not i and not truthy(first) else space + line for i, line in enumerate(lines))
    )


def _join(value: Value, separator: Value = UNDEFINED, attribute: Value = UNDEFINED) -> Value:
    between = to_js_string(separator) if truthy(separator) else ""
    if truthy(attribute):
        empty = value is None or value is UNDEFINED
        items = [] if empty else [get_member(present(item, "join"), attribute) for item in items_of(value, "join")]
    elif isinstance(value, list):
        items = value
    else:
        raise CannotEvaluate(f"filter `join` needs a list, not {a_kind(value)}")
    check_size(len(between) * len(items))
    return between.join("" if item is None or item is UNDEFINED else to_js_string(item) for item in items)


def _length(value: Value) -> Value:
    if isinstance(value, Mapping):
        return len(value)
    if value is None or value is UNDEFINED or value is False:
        return 0
    return get_member(value, "length")


def _list(value: Value) -> Value:
    if isinstance(value, str):
        return TemplateList(units(value))
    if isinstance(value, Mapping):
        return TemplateList({"key": key, "value": value[key]} for key in js_keys(value))
    if isinstance(value, list):
        return value
    raise CannotEvaluate(f"filter `list` cannot go through {a_kind(value)}")


def _lower(value: Value) -> Value:
    return text_of(value, "lower").lower()


def _upper(value: Value) -> Value:
    return text_of(value, "upper").upper()


def _nl2br(value: Value) -> Value:
    if value is None or value is UNDEFINED:
        return ""
    return _like(value, re.sub(r"\r\n|\n", "<br />\n", strict_text(value, "nl2br")))


def _random(_value: Value) -> Value:
    raise CannotEvaluate("filter `random` is refused: a run must be repeatable")


def _select(wanted: bool) -> Filter:
    def choose(value: Value, test: Value = "truthy", argument: Value = UNDEFINED) -> Value:
        check = find_test(to_js_string(test))
        items = [] if value is None or value is UNDEFINED else items_of(value, "select" if wanted else "reject")
        takes_more = check.__code__.co_argcount > 1  # a JavaScript function ignores arguments that it does not take
        extra = [argument] if takes_more and argument is not UNDEFINED else []
        return TemplateList(item for item in items if (check(item, *extra) is True) == wanted)

    return choose


def _select_attribute(wanted: bool) -> Filter:
    def choose(value: Value, attribute: Value = UNDEFINED) -> Value:
        if not isinstance(value, list):
            raise CannotEvaluate(f"filter `{'select' if wanted else 'reject'}attr` needs a list, not {a_kind(value)}")
        return TemplateList(item for item in value if truthy(get_member(present(item, "attr"), attribute)) == wanted)

    return choose


def _replace(value: Value, old: Value = UNDEFINED, new: Value = UNDEFINED, count: Value = UNDEFINED) -> Value:
    if isinstance(old, JsRegex):
        return call_member(strict_text(value, "replace"), "replace", [old, new])
    if not (is_number(old) or isinstance(old, str)) or not (is_number(value) or isinstance(value, str)):
        return value
    if isinstance(old, Safe):
        return value
    text, search, fresh = to_js_string(value), to_js_string(old), to_js_string(new)
    limit = -1 if count is UNDEFINED else int(to_number(count) if math.isfinite(to_number(count)) else -1)
    check_size((text.count(search) + 1) * len(fresh) + len(text))
    if search == "":
        return _like(value, fresh + fresh.join(units(text)) + fresh)
    if limit == 0 or search not in text:
        return value if isinstance(value, str) else text
    return _like(value, text.replace(search, fresh, max(limit, -1)))


def _reverse(value: Value) -> Value:
    if isinstance(value, str):
        return _like(value, units(value)[::-1])
    return TemplateList(reversed(value if isinstance(value, list) else []))


def _round(value: Value, precision: Value = UNDEFINED, method: Value = UNDEFINED) -> Value:
    digits = to_number(precision) if truthy(precision) else 0
    amount = to_number(value)
    # Beyond 10**308 the factor would overflow.
    if not math.isfinite(amount) or not abs(digits) <= 300:
        return math.nan if amount != amount or digits != digits else amount
    factor = 10.0**digits
    scaled = amount * factor
    if not math.isfinite(scaled):
        return scaled / factor
    rounded = math.ceil(scaled) if method == "ceil" else math.floor(scaled if method == "floor" else scaled + 0.5)
    return number(rounded / factor)


def _slice(value: Value, slices: Value = UNDEFINED, fill: Value = UNDEFINED) -> Value:
    items, amount = items_of(value, "slice"), to_number(slices)
    if amount != amount or amount <= 0:
        return TemplateList()
    check_size(amount, MAX_ITEMS)
    rows, offset = TemplateList(), 0
    length, extra = divmod(len(items), math.ceil(amount))
    for index in range(math.ceil(amount)):
        start = offset + index * length
        offset += index < extra
        row = TemplateList(items[start : offset + (index + 1) * length])
        if truthy(fill) and index >= extra:
            row.append(fill)
        rows.append("".join(map(to_js_string, row)) if isinstance(value, str) else row)
    return rows


def _sum(value: Value, attribute: Value = UNDEFINED, start: Value = UNDEFINED) -> Value:
    if not isinstance(value, list) and not truthy(attribute):
        raise CannotEvaluate(f"filter `sum` needs a list, not {a_kind(value)}")
    total: Value = 0
    for item in [] if value is None or value is UNDEFINED else items_of(value, "sum"):
        total = add(total, get_member(present(item, "sum"), attribute) if truthy(attribute) else item)
        check_size(len(total) if isinstance(total, str) else 0)
    return add(0 if start is UNDEFINED else start, total)


def _sort(
    value: Value, reverse: Value = UNDEFINED, case_sensitive: Value = UNDEFINED, attribute: Value = UNDEFINED
) -> Value:
    read = _attribute(attribute)
    items = [] if value is None or value is UNDEFINED else items_of(value, "sort")
    sign = -1 if truthy(reverse) else 1

    def compare(left: Value, right: Value) -> int:
        x, y = (read(left), read(right)) if truthy(attribute) else (left, right)
        if not truthy(case_sensitive) and isinstance(x, str) and isinstance(y, str):
            x, y = x.lower(), y.lower()
        return -sign if less(x, y) else sign if less(y, x) else 0

    there = sorted((item for item in items if item is not UNDEFINED), key=cmp_to_key(compare))
    return TemplateList([*there, *(item for item in items if item is UNDEFINED)])


def _string(value: Value) -> Value:
    return value if isinstance(value, str) else to_js_string(present(value, "string"))


_TAGS: Final = re.compile(r"</?([a-z][a-z0-9]*)\b[^>]*>|<!--[\s\S]*?-->", re.I | re.A)


def _striptags(value: Value, keep_lines: Value = UNDEFINED) -> Value:
    text = js_strip(_TAGS.sub("", text_of(value, "striptags")))
    if not truthy(keep_lines):
        return _like(value, re.sub(f"[{JS_SPACE}]+", " ", text))
    text = re.sub(" +", " ", re.sub(r"^ +| +$", "", text, flags=re.M)).replace("\r\n", "\n")
    return _like(value, re.sub(r"\n\n\n+", "\n\n", text))


def _title(value: Value) -> Value:
    text = text_of(value, "title")
    return _like(value, " ".join(to_js_string(_capitalize(word)) for word in text.split(" ")))


def _trim(value: Value) -> Value:
    return _like(value, js_strip(strict_text(value, "trim")))


def _truncate(value: Value, length: Value = UNDEFINED, kill_words: Value = UNDEFINED, end: Value = UNDEFINED) -> Value:
    text, size = units(text_of(value, "truncate")), _count(length, 255)
    if len(text) <= size:
        return value if isinstance(value, str) else text
    cut = size if truthy(kill_words) else text.rfind(" ", 0, max(size, 0) + 1)
    text = text[: max(cut, 0) if truthy(kill_words) or cut != -1 else max(size, 0)]
    return _like(value, text + (to_js_string(end) if end is not UNDEFINED and end is not None else "..."))


def _encode(value: Value) -> str:
    try:
        return quote(to_js_string(value), safe="-_.!~*'()")
    except UnicodeEncodeError:
        raise CannotEvaluate("filter `urlencode`: the text is not valid Unicode") from None


def _urlencode(value: Value) -> Value:
    if isinstance(value, str):
        return _encode(value)
    if isinstance(value, list):
        pairs = [(get_member(item, 0), get_member(item, 1)) for item in value]
    elif isinstance(value, Mapping):
        pairs = [(key, value[key]) for key in js_keys(value)]
    else:
        present(value, "urlencode")
        pairs = []
    return "&".join(f"{_encode(key)}={_encode(item)}" for key, item in pairs)


_EMAIL: Final = re.compile(r"^[\w.!#$%&'*+\-/=?^`{|}~]+@[a-z\d\-]+(\.[a-z\d\-]+)+$", re.I | re.A)
_PUNCTUATION: Final = re.compile(r"^(?:\(|<|&lt;)?(.*?)(?:\.|,|\)|\n|&gt;)?$")
_TOP_LEVEL: Final = re.compile(r"\.(?:org|net|com)(?::|/|$)")


def _urlize(value: Value, length: Value = UNDEFINED, nofollow: Value = UNDEFINED) -> Value:
    size = to_number(length)
    shown = int(size) if math.isfinite(size) else None
    attributes = ' rel="nofollow"' if nofollow is True else ""
    words = re.split(f"([{JS_SPACE}]+)", strict_text(value, "urlize"))
    return "".join(_link(word, shown, attributes) for word in words if word)


def _link(word: str, shown: int | None, attributes: str) -> str:
    found = _PUNCTUATION.match(word)
    url = found[1] if found else word
    if re.match(r"https?://.*$", url):
        return f'<a href="{url}"{attributes}>{url[:shown]}</a>'
    if url.startswith("www."):
        return f'<a href="http://{url}"{attributes}>{url[:shown]}</a>'
    if _EMAIL.match(url):
        return f'<a href="mailto:{url}">{url}</a>'
    if _TOP_LEVEL.search(url):
        return f'<a href="http://{url}"{attributes}>{url[:shown]}</a>'
    return word


def _wordcount(value: Value) -> Value:
    return len(re.findall(r"\w+", text_of(value, "wordcount"), re.A)) or None


def _float(value: Value, default: Value = UNDEFINED) -> Value:
    result = parse_float(value)
    return default if result != result else result


def _int(value: Value, default: Value = UNDEFINED, base: Value = 10) -> Value:
    radix = to_number(base)
    result = parse_int(value, int(radix) if math.isfinite(radix) else 10)
    return default if result != result else result


def _load(value: Value) -> Value:
    import json

    try:
        return json.loads(strict_text(value, "load"))
    except (ValueError, RecursionError) as exc:
        raise CannotEvaluate(f"filter `load`: not JSON ({exc})") from None


FILTERS: Final[Mapping[str, Filter]] = {
    "abs": _abs,
    "batch": _batch,
    "capitalize": _capitalize,
    "center": _center,
    "default": _default,
    "d": _default,
    "dictsort": _dictsort,
    "dump": _dump,
    "escape": _escape,
    "e": _escape,
    "safe": _safe,
    "first": _first,
    "forceescape": _forceescape,
    "groupby": _groupby,
    "indent": _indent,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "lower": _lower,
    "nl2br": _nl2br,
    "random": _random,
    "reject": _select(False),
    "rejectattr": _select_attribute(False),
    "select": _select(True),
    "selectattr": _select_attribute(True),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "slice": _slice,
    "sum": _sum,
    "sort": _sort,
    "string": _string,
    "striptags": _striptags,
    "title": _title,
    "trim": _trim,
    "truncate": _truncate,
    "upper": _upper,
    "urlencode": _urlencode,
    "urlize": _urlize,
    "wordcount": _wordcount,
    "float": _float,
    "int": _int,
    "load": _load,
}
"""Nunjucks' own, and promptfoo's `load` (text as JSON)."""

KEYWORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sort": ("reverse", "case_sensitive", "attribute"),
    "int": ("default", "base"),
}
"""The filters that take keyword arguments, with their names; other filters get them as one mapping at the end."""
