"""A find where code begins is no secret; how far it looks for code is limited, as a text without blanks has no end."""

import pytest

from evolve.core.cases.harmless_finds import without_harmless
from evolve.core.cases.secret_shapes import SecretSpan


def is_harmless(value: str, behind: str) -> bool:
    text = f"x = {value}{behind}"
    return without_harmless(text, [SecretSpan(4, 4 + len(value))]) == []


@pytest.mark.parametrize("behind", ["::read(key)", "::b(c)"])
def test_code_behind_the_start_of_a_find_makes_it_harmless(behind: str):
    assert is_harmless("vault9", behind)
    assert not is_harmless("vault9", "; done")


def test_a_word_of_any_length_is_looked_at_only_at_its_start():
    assert is_harmless("vault9", f"{'x' * 100}::read(key)")
    assert not is_harmless("vault9", f"{'x' * 100_000}::read(key)")
