"""The numbers of the commands' words."""

from argparse import ArgumentTypeError

import pytest

from evolve.cli._options import BudgetOption, budget, positive, whole


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("300", BudgetOption(300, None)),
        ("007", BudgetOption(7, None)),
        ("5m", BudgetOption(None, 5.0)),
        ("0.5m", BudgetOption(None, 0.5)),
    ],
)
def test_a_budget_is_a_number_of_answers_or_minutes(text: str, value: BudgetOption):
    assert budget(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "0m", "0.0m", "m", "5 m", "5s", "1.5", "٣", "9" * 5000, "inf", "5m\n"])
def test_no_other_budget_is_taken_and_the_message_mentions_minutes(text: str):
    with pytest.raises(ArgumentTypeError, match=r"^expected a number of answers, or minutes such as 5m"):
        budget(text)


def test_whole_numbers_begin_at_zero_and_positive_ones_at_one():
    assert (whole("0"), whole("12"), positive("1")) == (0, 12, 1)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "٣", "9" * 5000])
def test_what_is_no_whole_number_is_told(text: str):
    with pytest.raises(ArgumentTypeError, match=r"^expected an integer of 0 or more, got "):
        whole(text)
    with pytest.raises(ArgumentTypeError, match=r"^expected a positive integer, got "):
        positive(text)


def test_zero_is_not_positive():
    with pytest.raises(ArgumentTypeError, match=r"^expected a positive integer, got '0'"):
        positive("0")
