"""A word with the shape of a password is hidden anywhere; ids, versions and names in code have no such shape."""

import pytest

from evolve.core.cases.password_tokens import find_password_tokens, is_password_token

HIDDEN = ("Mx7!qRt4", "Friday#1990", "C0ffeeB3an", "1q2w3e4r", "asdf;lkj12", "k8Pw3nXcR5dVh2", "QK4P-77LM-TRX2")
KEPT = (
    "v1.14.2-rc.3",
    "enp0s31f6",
    "utf8_to_utf16",
    "krb5ccname",
    "x11proto",
    "Draft7Validator",
    "IPv4Network",
    "avx512_vnni",
    "A100-SXM4-80GB",
    "e4fbab58-7d21-5a46-d9b7-c11e819b6051",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "Token2Service$Builder",
    "node-12@example.org",
    "C02XL0GTJGH5",
)


@pytest.mark.parametrize("word", HIDDEN)
def test_a_word_with_the_shape_of_a_password_is_found(word: str):
    text = f"we saw {word} there."
    assert [text[slice(*span)] for span in find_password_tokens(text)] == [word]


@pytest.mark.parametrize("word", KEPT)
def test_ids_and_names_have_no_such_shape(word: str):
    assert not is_password_token(word)
