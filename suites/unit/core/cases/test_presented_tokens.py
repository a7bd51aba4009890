"""What a text hands over for access is hidden without a word for password; the same words elsewhere stay."""

import pytest

from evolve.core.cases.presented_tokens import find_presented_tokens

HIDDEN = (
    ("just try walnut7 and you are in", "walnut7"),
    ("use amber-kestrel-41 to unlock it", "amber-kestrel-41"),
    ("the old one was Nutmeg-1987", "Nutmeg-1987"),
    ("I set hers to Temp-Anna-x1 today", "Temp-Anna-x1"),
    ("log in with, uh, mandolin, all lower case", "mandolin"),
    ("the keypad takes 6620#", "6620#"),
    ("the combination, 4 left 22 right 9", "4 left 22 right 9"),
    ("here it is:\n\n    Walnut-Kite-5\n", "Walnut-Kite-5"),
)
KEPT = (
    "use version 2.4 to unlock the new format",
    "try again and you are in the right folder",
    "the old one was v1.2.3",
    "log in with the button at the top",
    "opens with HTTP/2 and TLS1.3",
    "set it to 4096",
)


def _found(text: str) -> list[str]:
    return [text[slice(*span)] for span in find_presented_tokens(text)]


@pytest.mark.parametrize(("text", "secret"), HIDDEN)
def test_what_is_handed_over_for_access_is_found(text: str, secret: str):
    assert secret in _found(text)


@pytest.mark.parametrize("text", KEPT)
def test_statements_about_access_hold_no_password(text: str):
    assert _found(text) == []
