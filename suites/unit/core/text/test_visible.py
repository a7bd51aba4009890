"""Text from outside never acts on the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.text.visible import as_utf8, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ñ 日本\n\ttext", "plain ñ 日本\n\ttext"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("over\rwritten\x00\x7f\x9b2J", r"over\x0dwritten\x00\x7f\x9b2J"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
    ],
)
def test_control_characters_are_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_that_acts_is_left_and_twice_is_once(text: str) -> None:
    shown = visible(text)
    assert all(char.isprintable() or char in "\n\t" or not char.isascii() for char in shown)
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["", "plain", "\x1b[1m", "\u202e", "\U0001f600", "\n\t"])
def test_text_that_utf8_holds_is_unchanged(text):
    assert as_utf8(text) == text


def test_halves_of_surrogate_pairs_are_escapes():
    assert as_utf8("a\ud83d \x1b\udc00") == "a\\ud83d \x1b\\udc00"
    assert visible("a\ud83d\udfff") == "a\\ud83d\\udfff"
