"""Passwords that people made are masked by their look; ids of a known shape stay."""

import pytest

from evolve.core.cases.redaction import Redactor
from fixtures.redaction_texts import PlantedText, leaks, planted_texts

SETS = (
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
    "thirty-second",
    "thirty-third",
    "thirty-fourth",
    "thirty-fifth",
    "thirty-sixth",
)
MOST_LEAKS, MOST_HIDDEN = 0.05, 0.15


def _masked(text: PlantedText) -> str:
    return str(Redactor(text.own).redact(text.text))


@pytest.mark.parametrize("name", SETS)
def test_few_secrets_of_a_set_leak(name: str):
    texts = planted_texts(f"{name}_secrets", 7)
    found = [(text, _masked(text)) for text in texts]
    left = [text.text for text, masked in found if any(leaks(one, masked) for one in text.marked)]
    assert len(left) <= MOST_LEAKS * len(texts), left


@pytest.mark.parametrize("name", SETS)
def test_most_harmless_ids_of_a_set_stay(name: str):
    texts = planted_texts(f"{name}_harmless", 7)
    found = [(text, _masked(text)) for text in texts]
    hidden = [text.text for text, masked in found if any(one not in masked for one in text.marked)]
    assert len(hidden) <= MOST_HIDDEN * len(texts), hidden


@pytest.mark.parametrize("word", ["Tr0ub4dor&3", "My$ecretD0g", "Rep0rter#1"])
def test_a_password_is_masked_without_a_word_for_it(word: str):
    assert word not in _masked(PlantedText("", f"it was {word} last week", (word,), (), False))
