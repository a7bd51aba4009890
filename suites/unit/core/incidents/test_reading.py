import pytest

from evolve.core.incidents.reading import number


@pytest.mark.parametrize(
    ("value", "expected"),
    [("137", 137), ("-1", -1), (7, 7), (2.9, 2), (None, 0), ("x", 0), ("", 0), (float("nan"), 0), (float("inf"), 0)],
)
def test_a_number_is_an_integer_or_zero(value, expected):
    assert number({"it": value}, "it") == expected


def test_a_text_of_thousands_of_digits_is_no_number():
    assert number({"it": "9" * 10_000}, "it") == 0
