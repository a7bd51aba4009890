"""Finds personal data: e-mail addresses, phone and card numbers, IBANs, US social security numbers, accounts in paths.

A number counts only with its check digits (cards, IBAN) or in a written form that other numbers do not have (phone, SSN),
because logs are full of numbers. python-stdnum checks numbers but finds none in a text, and the two checks are ten lines.
phonenumbers finds numbers in text, but needs a region for national ones, which a log does not have.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.secret_shapes import SecretSpan

_EMAIL: Final = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9][\w.+%-]{0,63}(?<!git)@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,6}(?!(?:service|timer|socket|scope|slice|mount|target|path|device)(?!\w))[A-Za-z]{2,24}(?![\w.-]*[:/@])"
)
"""Not followed by `:` or `/`: `user@host:path` and accounts in URLs are addresses of machines."""

_MESSAGE: Final = re.compile(r"(?i)[ \t>\"'-]{0,8}(?:message-id|in-reply-to|references)[\"']?:")
"""The beginning of a line with ids of messages, which have the form of addresses."""
_MADE_ID: Final = re.compile(r"(?=[^@]*\d[^@]*\d)[^@]{16,}@")

_PHONE: Final = re.compile(
    r"(?<![\w.+:/-])(?:\+\d{1,3}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d{2,4}(?:[ ./-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}-\d{4})(?![\w.:-]*\w)"
)
_CARD: Final = re.compile(r"(?<![\w.:-])[3-6]\d{3}(?:([ -]?)\d{4}\1\d{4}\1\d{1,7}|([ -]?)\d{6}\2\d{5})(?![\w.-]*\w)")
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_SSN: Final = re.compile(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_HOME: Final = re.compile(
    r"(?:(?<![\w.])/(?:home|Users)/|[A-Za-z]:\\{1,4}Users\\{1,4})([A-Za-z0-9][\w.-]{0,63})(?=[/\\\s\"'`:;,)\]]|\Z)"
)

SYSTEM_ACCOUNTS: Final = frozenset(
    "ubuntu debian root admin runner app node vagrant ec2-user jenkins gitlab-runner git postgres www-data shared public default user ci "
    "nomad consul deploy service linuxbrew vscode".lower().split()
)
"""Names in home paths that name no person."""


def find_personal_data(text: str) -> Iterator[SecretSpan]:
    """Yield every part of the text that identifies a person."""
    for match in _EMAIL.finditer(text):
        start_of_line = text.rfind("\n", 0, match.start()) + 1
        if not (_MADE_ID.match(match[0]) and _MESSAGE.match(text, start_of_line)):
            yield SecretSpan(*match.span())
    yield from (SecretSpan(*match.span()) for match in _SSN.finditer(text))
    yield from (SecretSpan(*match.span()) for match in _PHONE.finditer(text) if _is_phone(match[0]))
    yield from (SecretSpan(*match.span()) for match in _CARD.finditer(text) if has_luhn_digit(match[0]))
    yield from (SecretSpan(*match.span()) for match in _IBAN.finditer(text) if has_iban_digits(match[0]))
    for match in _HOME.finditer(text):
        if match[1].lower() not in SYSTEM_ACCOUNTS:
            yield SecretSpan(*match.span(1))


def _is_phone(text: str) -> bool:
    return 8 <= sum(map(str.isdigit, text)) <= 15


def has_luhn_digit(number: str) -> bool:
    """Return whether the last digit is the Luhn check digit (ISO/IEC 7812-1), and not all digits are equal."""
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def has_iban_digits(number: str) -> bool:
    """Return whether the check digits of an IBAN are right (ISO 13616: modulo 97 is 1)."""
    plain = number.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1
