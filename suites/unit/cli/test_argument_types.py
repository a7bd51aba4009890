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
        ("90s", BudgetOption(None, 1.5)),
        ("2h", BudgetOption(None, 120.0)),
        ("50000-tokens", BudgetOption(None, None, 50_000)),
        ("200k-tokens", BudgetOption(None, None, 200_000)),
        ("1.5M-tokens", BudgetOption(None, None, 1_500_000)),
    ],
)
def test_a_budget_is_answers_a_time_or_tokens(text: str, value: BudgetOption):
    assert budget(text) == value


WRONG = ["", "0", "-1", "0m", "0.0m", "m", "5 m", "1.5", "٣", "9" * 5000, "inf", "5m\n", "9" * 400 + "m"]


@pytest.mark.parametrize("text", [*WRONG, "0-tokens", "k-tokens", "5-token", "200k", "0s", "9" * 400 + "-tokens"])
def test_no_other_budget_is_taken_and_the_message_names_all_forms(text: str):
    with pytest.raises(ArgumentTypeError, match=r"^expected a number of answers, a time such as 5m or 90s, or tokens"):
        budget(text)


def test_whole_numbers_begin_at_zero_and_positive_ones_at_one():
    assert (whole("0"), whole("12"), positive("1")) == (0, 12, 1)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "٣", "9" * 5000])
def test_what_is_no_whole_number_is_reported(text: str):
    with pytest.raises(ArgumentTypeError, match=r"^expected an integer of 0 or more, got "):
        whole(text)
    with pytest.raises(ArgumentTypeError, match=r"^expected a positive integer, got "):
        positive(text)


def test_zero_is_not_positive():
    with pytest.raises(ArgumentTypeError, match=r"^expected a positive integer, got '0'"):
        positive("0")
