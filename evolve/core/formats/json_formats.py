"""The formats of JSON Schema that ajv-formats knows, each as a function of a value.

Sources: RFC 3339 (dates and times), RFC 3986 (URI), RFC 6570 (URI templates), RFC 6901 (JSON pointers), RFC 4122
(UUID), OpenAPI 3.0 (byte, int32, int64, float, double, password, binary). Where ajv is laxer or stricter than a source,
this module does what ajv does.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from evolve.core.javascript.engine import JavaScriptError, Regex
from evolve.core.javascript.values import JS_SPACE

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d(?:\.\d+)?)(z|([+-])(\d\d)(?::?(\d\d))?)?", re.ASCII | re.IGNORECASE)
_DATE_TIME_GAP = re.compile(f"[tT{JS_SPACE}]")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month; `_is_date` adds the leap day."""


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= (29 if month == 2 and is_leap else _DAYS[month - 1])


def _is_time(text: str, *, zone_needed: bool) -> bool:
    found = _TIME.fullmatch(text)
    if found is None or (zone_needed and not found[4]):
        return False
    hour, minute, second = int(found[1]), int(found[2]), float(found[3])
    zone_hour, zone_minute = int(found[6] or 0), int(found[7] or 0)
    if zone_hour > 23 or zone_minute > 59:
        return False
    if hour <= 23 and minute <= 59 and second < 60:
        return True
    sign = -1 if found[5] == "-" else 1
    return second < 61 and _is_before_midnight(minute - zone_minute * sign, hour - zone_hour * sign)


def _is_before_midnight(minute: int, hour: int) -> bool:
    """Return whether this is the minute of a leap second in UTC, 23:59; -1 is a minute or hour of the day before."""
    return minute in (59, -1) and hour - (minute < 0) in (23, -1)


def _is_date_time(text: str, *, zone_needed: bool) -> bool:
    parts = _DATE_TIME_GAP.split(text)
    return len(parts) == 2 and _is_date(parts[0]) and _is_time(parts[1], zone_needed=zone_needed)


def _matcher(pattern: str, flags: int = re.IGNORECASE) -> Callable[[str], bool]:
    expression = re.compile(pattern, flags | re.ASCII)
    return lambda text: expression.fullmatch(text) is not None


_IPV4 = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}"
_ESCAPE = "%[0-9a-f]{2}"
_PLAIN = r"a-z0-9\-._~!$&'()*+,;="
_SEGMENT = rf"(?:[{_PLAIN}\":@]|{_ESCAPE})"
_HOST = rf"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|\[v[0-9a-f]+\.[{_PLAIN}:]+\]|(?:[{_PLAIN}\"]|{_ESCAPE})*)"
_AUTHORITY = rf"(?:(?:[{_PLAIN}:]|{_ESCAPE})*@)?{_HOST}(?::\d*)?"
_TAIL = rf"(?:\?(?:[{_PLAIN}\":@/?]|{_ESCAPE})*)?(?:\#(?:[{_PLAIN}\":@/?]|{_ESCAPE})*)?"
_PATHS = rf"/?/{_AUTHORITY}(?:/{_SEGMENT}*)*|/(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?|{_SEGMENT}+(?:/{_SEGMENT}*)*|"
_SCHEME = r"[a-z][a-z0-9+\-.]*:"
_URI = re.compile(rf"{_SCHEME}(?:{_PATHS}){_TAIL}", re.IGNORECASE | re.ASCII)
_REFERENCE = re.compile(rf"(?:{_SCHEME})?(?:{_PATHS}){_TAIL}", re.IGNORECASE | re.ASCII)


def _is_uri(text: str) -> bool:
    return ("/" in text or ":" in text) and _fits(_URI, text)


def _fits(expression: re.Pattern[str], text: str) -> bool:
    found = expression.fullmatch(text)
    return found is not None and (found["ipv6"] is None or _is_ipv6(found["ipv6"]))


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False


_LABEL = "[a-z0-9\u00a1-\uffff]+"
_PUBLIC_IPV4 = (
    r"(?!(?:10|127)(?:\.\d{1,3}){3})(?!(?:169\.254|192\.168)(?:\.\d{1,3}){2})"
    r"(?!172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})"
)
_URL = re.compile(
    rf"(?:https?|ftp)://(?:[^{JS_SPACE}]+(?::[^{JS_SPACE}]*)?@)?"
    rf"(?:{_PUBLIC_IPV4}(?:[1-9]\d?|1\d\d|2[01]\d|22[0-3])(?:\.(?:1?\d{{1,2}}|2[0-4]\d|25[0-5])){{2}}\.(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-4])"
    rf"|(?:{_LABEL}-)*{_LABEL}(?:\.(?:{_LABEL}-)*{_LABEL})*\.[a-z\u00a1-\uffff]{{2,}})"
    rf"(?::\d{{2,5}})?(?:/[^{JS_SPACE}]*)?",
    re.IGNORECASE,
)
_BASE64_LINE = re.compile(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", re.MULTILINE)
_END_OF_TEXT = re.compile(r"[^\\]\\Z")


def _is_regex(text: str) -> bool:
    if _END_OF_TEXT.search(text):
        return False
    try:
        Regex(text)
    except JavaScriptError:
        return False
    return True


def _anything(_value: Any) -> bool:
    return True


_VARIABLE = rf"(?:[a-z0-9_]|{_ESCAPE})+(?::[1-9][0-9]{{0,3}}|\*)?"
_EMAIL_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"

FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "time": lambda text: _is_time(text, zone_needed=True),
    "date-time": lambda text: _is_date_time(text, zone_needed=True),
    "iso-time": lambda text: _is_time(text, zone_needed=False),
    "iso-date-time": lambda text: _is_date_time(text, zone_needed=False),
    "duration": _matcher(r"P(?!\Z)(?:(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?|(\d+W)?)", 0),
    "uri": _is_uri,
    "uri-reference": lambda text: _fits(_REFERENCE, text),
    "uri-template": _matcher(
        rf"(?:[^\x00-\x20\"'<>%\\^`{{|}}]|{_ESCAPE}|\{{[+#./;?&=,!@|]?{_VARIABLE}(?:,{_VARIABLE})*\}})*"
    ),
    "url": lambda text: _URL.fullmatch(text) is not None,
    "email": _matcher(
        rf"{_EMAIL_ATOM}(?:\.{_EMAIL_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    ),
    "hostname": _matcher(
        r"(?=.{1,253}\.?\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-0-9a-z]{0,61}[0-9a-z])?)*\.?"
    ),
    "ipv4": _matcher(_IPV4),
    "ipv6": _is_ipv6,
    "regex": _is_regex,
    "uuid": _matcher(r"(?:urn:uuid:)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "json-pointer": _matcher(r"(?:/(?:[^~/]|~0|~1)*)*"),
    "json-pointer-uri-fragment": _matcher(rf"#(?:/(?:[a-z0-9_\-.!$&'()*+,;:=@]|{_ESCAPE}|~0|~1)*)*"),
    "relative-json-pointer": _matcher(r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)"),
    "byte": lambda text: _BASE64_LINE.search(text) is not None,
    "password": _anything,
    "binary": _anything,
}
"""Formats of text, each with its check. A schema with any other format is refused before it is used."""

NUMBER_FORMATS: Final[Mapping[str, Callable[[float], bool]]] = {
    "int32": lambda value: -(2**31) <= value < 2**31 and float(value).is_integer(),
    "int64": lambda value: isinstance(value, int) or value.is_integer(),
    "float": _anything,
    "double": _anything,
}
"""Formats of numbers; they do not apply to text."""
