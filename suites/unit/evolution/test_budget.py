"""What an answer uses of a budget at most, before it is there, and what it used."""

import json

import pytest

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.evolution.budget import Budget, Work, first_within

PROMPT = json.dumps([{"role": "system", "content": "Name the action."}, {"role": "user", "content": "€" * 40}])


def test_a_question_has_at_most_as_many_tokens_as_bytes_and_its_answer_as_its_limit():
    work = Work.of(Request(PROMPT, config={"max_tokens": 24, "temperature": 0}))
    assert work.prompt >= len(PROMPT.encode())
    assert work.answer == 24
    assert Budget(1, "tokens").rates.most(work) == work.prompt + 24


@pytest.mark.parametrize("unit", ["answers", "tokens", "seconds"])
def test_what_an_answer_used_is_counted_in_the_unit(unit):
    budget, work = Budget(1000, unit), Work(100, 20)
    budget.pay(Answer("x", tokens=TokenUsage(90, 80, 10)), work, 2.5)
    assert budget.used == {"answers": 1, "tokens": 90, "seconds": 2.5}[unit]
    assert budget.left == 1000 - budget.used
    assert (budget.spent, budget.answer_s, budget.tokens.total) == (1, 2.5, 90)


def test_tokens_that_are_not_reported_are_counted_as_the_most_that_they_can_be():
    budget = Budget(1000, "tokens")
    budget.pay(Answer(None, error="refused"), Work(100, 20), 0.0)
    assert budget.used == 120


def test_seconds_are_bounded_by_the_slowest_answer_so_far():
    budget = Budget(60, "seconds")
    assert not budget.is_measured
    budget.see(Work(100, 10), 3.0)
    budget.see(Work(100, 10), 1.0)
    assert budget.is_measured
    assert budget.rates.most(Work(200, 20)) == pytest.approx(6.0)


def test_an_instant_answer_uses_up_a_budget_in_seconds_too():
    budget = Budget(1, "seconds")
    budget.pay(Answer("x"), Work(10, 1), 0.0)
    assert budget.used > 0


def test_an_amount_pays_for_the_first_questions():
    assert [first_within(amount, [3, 1, 5]) for amount in (0, 2, 3, 4, 8, 9, 99)] == [0, 0, 1, 2, 2, 3, 3]
