"""What every ledger does: the SQLite file of a machine, and the one in memory that fast searches use."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.ports import Ledger, LedgerAnswer
from evolve.store.ledger import SqliteLedger
from fixtures.memory_ledger import MemoryLedger

T = TypeVar("T")
Go = Callable[[Any], Awaitable[T]]
WHAT: Any = {"model": "m", "prompt": "why?"}


class Ledgers:
    """One kind of ledger, opened once for each visit; a second visit is a second process's, or a second attempt's."""

    def __init__(self, opened: Callable[[], Any]) -> None:
        self._opened = opened

    def visit(self, go: Go[T]) -> T:
        async def visited() -> T:
            ledger = self._opened()
            try:
                return await go(ledger)
            finally:
                await ledger.close()

        return asyncio.run(visited())


@pytest.fixture(params=["sqlite", "memory"])
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Ledgers:
    memory = MemoryLedger()
    return Ledgers(lambda: memory if request.param == "memory" else SqliteLedger(tmp_path))


def sells(output: Any = "because", *, sold: list[Any] | None = None, error: str | None = None) -> Any:
    async def buy() -> Answer:
        if sold is not None:
            sold.append(output)
        await asyncio.sleep(0)
        return Answer(output, error, tokens=TokenUsage(10, 7, 3, 2, 1), cost=0.25)

    return buy


async def asked_and_killed(ledger: Ledger, run: str, identity: Any = WHAT) -> None:
    """A call that is cut off while it is in flight."""
    begun = asyncio.Event()

    async def endless() -> Answer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.ensure_future(ledger.answer(identity, run, endless))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_an_unknown_answer_has_a_price(ledgers):
    async def go(ledger: Ledger) -> int:
        return ledger.price(WHAT, "one")

    assert ledgers.visit(go) == 1


def test_what_a_run_bought_itself_counts_again_for_it_but_is_not_bought_again(ledgers):
    sold: list[Any] = []

    async def go(ledger: Ledger) -> tuple[LedgerAnswer, int]:
        assert ledger.price(WHAT, "one") == 1
        return await ledger.answer(WHAT, "one", sells(sold=sold)), ledger.price(WHAT, "one")

    (first, price), (second, again) = ledgers.visit(go), ledgers.visit(go)
    assert (price, again) == (1, 1)
    assert (first.is_new, second.is_new) == (True, False)
    assert sold == ["because"]


def test_what_another_run_bought_is_free(ledgers):
    async def buy(ledger: Ledger) -> LedgerAnswer:
        return await ledger.answer(WHAT, "one", sells())

    async def go(ledger: Ledger) -> tuple[int, LedgerAnswer]:
        return ledger.price(WHAT, "two"), await ledger.answer(WHAT, "two", sells("another"))

    ledgers.visit(buy)
    price, bought = ledgers.visit(go)
    assert price == 0
    assert (bought.answer.output, bought.is_new, bought.is_repeated) == ("because", False, False)


def test_a_price_stays_what_it_was_for_a_run_whoever_buys_since(ledgers):
    """So a run that begins again takes the same decisions, also when it was not alone."""

    async def go(ledger: Ledger) -> list[int]:
        prices = [ledger.price(WHAT, "slow")]
        await ledger.answer(WHAT, "quick", sells())
        return [*prices, ledger.price(WHAT, "slow"), ledger.price(WHAT, "late")]

    async def later(ledger: Ledger) -> list[int]:
        return [ledger.price(WHAT, "slow"), ledger.price(WHAT, "late")]

    assert ledgers.visit(go) == [1, 1, 0]
    assert ledgers.visit(later) == [1, 0]


def test_two_askers_buy_once_and_one_of_them_has_bought(ledgers):
    sold: list[Any] = []

    async def go(ledger: Ledger) -> list[LedgerAnswer]:
        return await asyncio.gather(*(ledger.answer(WHAT, f"run {n % 2}", sells(sold=sold)) for n in range(6)))

    bought = ledgers.visit(go)
    assert sold == ["because"]
    assert sum(one.is_new for one in bought) == 1
    assert {one.answer.output for one in bought} == {"because"}


def test_an_answer_keeps_what_it_cost(ledgers):
    async def go(ledger: Ledger) -> Answer:
        return (await ledger.answer(WHAT, "one", sells())).answer

    for answer in (ledgers.visit(go), ledgers.visit(go)):
        assert (answer.tokens, answer.cost) == (TokenUsage(10, 7, 3, 2, 1), 0.25)


def test_a_call_killed_in_flight_is_repeated_and_counted(ledgers):
    async def killed(ledger: Ledger) -> None:
        ledger.price(WHAT, "one")
        await asked_and_killed(ledger, "one")

    async def go(ledger: Ledger) -> tuple[int, LedgerAnswer]:
        return ledger.price(WHAT, "one"), await ledger.answer(WHAT, "one", sells())

    ledgers.visit(killed)
    price, bought = ledgers.visit(go)
    assert price == 1
    assert (bought.is_new, bought.is_repeated) == (True, True)
    price, later = ledgers.visit(go)
    assert (price, later.is_new, later.is_repeated) == (1, False, True), "the account of a third attempt shows it too"


def test_what_another_run_left_in_flight_is_a_first_call_for_this_one(ledgers):
    async def killed(ledger: Ledger) -> None:
        ledger.price(WHAT, "one")
        await asked_and_killed(ledger, "one")

    async def go(ledger: Ledger) -> LedgerAnswer:
        assert ledger.price(WHAT, "two") == 1
        return await ledger.answer(WHAT, "two", sells())

    async def resumed(ledger: Ledger) -> tuple[int, LedgerAnswer]:
        return ledger.price(WHAT, "one"), await ledger.answer(WHAT, "one", sells())

    ledgers.visit(killed)
    bought = ledgers.visit(go)
    assert (bought.is_new, bought.is_repeated) == (True, False)
    price, own = ledgers.visit(resumed)
    assert (price, own.is_new, own.is_repeated) == (1, False, False)


def test_a_fault_is_not_stored(ledgers):
    async def broken() -> Answer:
        raise EnvironmentFault("the endpoint is gone")

    async def go(ledger: Ledger) -> LedgerAnswer:
        with pytest.raises(EnvironmentFault, match="the endpoint is gone"):
            await ledger.answer(WHAT, "one", broken)
        return await ledger.answer(WHAT, "one", sells())

    assert ledgers.visit(go).answer.output == "because"


def test_an_answer_with_an_error_is_not_stored(ledgers):
    async def go(ledger: Ledger) -> tuple[LedgerAnswer, LedgerAnswer]:
        wrong = await ledger.answer(WHAT, "one", sells(None, error="no words"))
        return wrong, await ledger.answer(WHAT, "one", sells())

    wrong, right = ledgers.visit(go)
    assert (wrong.answer.error, right.answer.error) == ("no words", None)
    assert right.is_new


def test_equal_identities_are_one_whatever_the_order_of_their_keys(ledgers):
    sold: list[Any] = []

    async def go(ledger: Ledger) -> None:
        await ledger.answer({"a": 1, "b": [2, {"c": 3, "d": 4}]}, "one", sells(sold=sold))
        await ledger.answer({"b": [2, {"d": 4, "c": 3}], "a": 1}, "one", sells(sold=sold))
        await ledger.answer({"a": 1, "b": [2, {"c": 3, "d": 5}]}, "one", sells(sold=sold))

    ledgers.visit(go)
    assert len(sold) == 2


def test_a_score_is_there_once_it_is_kept_and_belongs_to_answer_and_requirements(ledgers):
    score: Any = {"value": 0.5, "passed": False, "reason": "half: «ß»", "output": {"a": [1, None]}, "harm": False}

    async def go(ledger: Ledger) -> list[Any]:
        before = ledger.score(WHAT, ["equals", 1])
        ledger.keep_score(WHAT, ["equals", 1], score)
        return [before, ledger.score(WHAT, ["equals", 1]), ledger.score(WHAT, ["equals", 2]), ledger.score("x", 1)]

    assert ledgers.visit(go) == [None, score, None, None]

    async def later(ledger: Ledger) -> Any:
        return ledger.score(WHAT, ["equals", 1])

    assert ledgers.visit(later) == score


def test_the_first_score_stands(ledgers):
    async def go(ledger: Ledger) -> Any:
        ledger.keep_score(WHAT, "judged", {"value": 1})
        ledger.keep_score(WHAT, "judged", {"value": 0})
        return ledger.score(WHAT, "judged")

    assert ledgers.visit(go) == {"value": 1}
