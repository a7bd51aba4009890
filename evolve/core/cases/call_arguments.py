"""Finds passwords among the arguments of calls that open something: `WiFi.begin("attic", "x")`, `create_user('lea', m, 'x')`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.element_places import element_oddness
from evolve.core.cases.line_elements import elements_of
from evolve.core.cases.said_of_secrets import is_message, is_reference_or_path
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_CALL: Final = rule(
    r"(?i)(?:user|login|log_in|sign_?in|auth|connect|client|credential\w{0,4}|account|wifi\.begin|session|smtp|ftp|mqtt|ldap|imap|pop3|logon|bind|unlock|decrypt|passwd|password)"
    r"\w{0,12}\((?P<arguments>[^()\n]{6,200})\)",
    lines=0,
)
_OPENS: Final = re.compile(r"(?i)wifi|log|auth|connect|credential|bind|unlock")
_FEW: Final = 6
_ARGUMENT: Final = re.compile(r"[ubrfL@$]{0,2}(?:\"([^\"\n]{0,100})\"|'([^'\n]{0,100})')|[^,\"']+")
_NO_PASSWORD: Final = re.compile(
    r"[\w.+-]+@[\w.-]+|[\w.-]+\.\w{2,8}(?::\d+)?|[A-Z_]{2,}|.*[{<$%#\[].*|[a-z]+[-_/][a-z-_/]+|\w+:.*|.*\.\.\..*"
)


def find_call_arguments(text: str) -> Iterator[SecretSpan]:
    """Yield the last text in quotes of such a call, if another argument is before it and it is not an ordinary word."""
    for call in matches(text, (_CALL,)):
        arguments = [one for one in _ARGUMENT.finditer(text, *call.span("arguments")) if one[0].strip()]
        quoted = [one for one in arguments if one.lastindex]
        if len(arguments) < 2 or not quoted or quoted[-1] is arguments[0] or len(quoted) < 2:
            continue
        last = quoted[-1]
        value = last[last.lastindex or 1]
        is_phrase = _OPENS.match(call[0]) is not None and 1 < len(value.split()) <= _FEW
        if (
            FILL not in value
            and (is_phrase or _is_odd(value))
            and not is_message(value)
            and not _NO_PASSWORD.fullmatch(value)
        ):
            yield SecretSpan(*last.span(last.lastindex or 1))


def _is_odd(value: str) -> bool:
    if is_reference_or_path(value) or len(value.split()) > _FEW:
        return False
    return any(not one.is_sign and element_oddness(one) for one in elements_of(value))
