import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.store.suites import load_suite

HERE = Path(__file__).parents[2] / "benchmarks"


class Restarter:
    """Answers every case alike."""

    id = "restarter"

    def identity(self, _: Request) -> JsonValue:
        return None

    async def answer(self, _: Request) -> Answer:
        message: JsonValue = {"role": "assistant", "content": '{"action": "restart"}'}
        return Answer("", raw={"choices": [{"message": message}]}, tokens=TokenUsage(1, 1, 0, 0, 1))

    async def close(self) -> None: ...


@pytest.fixture(scope="module")
def modules() -> Iterator[Any]:
    """Finds the benchmark's modules as its script finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield importlib.import_module


@pytest.fixture(scope="module")
def bench(modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with modules("evolve_meter").Meter(Restarter()) as meter:
        folder = tmp_path_factory.mktemp("method")
        yield modules("evolve_bench").open_bench("mine", meter, folder, budget=5, seed=1, sample=32)


def test_the_suite_that_a_method_gets_holds_no_held_out_family(bench: Any) -> None:
    suite = load_suite(str(bench.suite))
    left = {str(test.metadata["family"]) for test in suite.tests}
    assert len(suite.tests) == sum(map(len, (bench.splits.train, bench.splits.val, bench.splits.gate)))
    assert not left & {case.family for case in bench.splits.held_out}


def test_optimizers_compare_on_val_alone_with_all_answers(bench: Any) -> None:
    assert {case.split for case in bench.sample} == {"val"}
    assert {case.label for case in bench.sample} == set(bench.actions)


def test_an_answer_under_other_instructions_is_bought_within_the_budget(bench: Any) -> None:
    assert bench.ask(bench.search, "You read.", bench.sample[0]) == "restart"
    assert bench.search.answers == 1


def test_a_winner_that_shows_a_held_out_family_is_refused(modules: Any, bench: Any) -> None:
    check = modules("evolve_anneal")._check_demos
    known, reported = bench.splits.train[0].family, bench.splits.held_out[0].family
    check(bench, dump_yaml([{"vars": {}, "output": {}, "family": known}]))
    with pytest.raises(ValueError, match=reported):
        check(bench, dump_yaml([{"vars": {}, "output": {}, "family": reported}]))


def test_a_candidate_answers_a_case_once_however_often_gepa_asks(modules: Any, bench: Any) -> None:
    adapter = modules("evolve_gepa").Adapter(bench, dict)
    case = next(case for case in bench.splits.train if case.label != "restart" and "restart" not in case.accepted)
    before = bench.search.answers
    first = adapter.evaluate([case], {"system_prompt": "Read."}, capture_traces=True)
    assert adapter.evaluate([case], {"system_prompt": "Read."})["scores"] == first["scores"] == [0.0]
    assert bench.search.answers == before + 1
    reported = first["trajectories"][0].feedback
    assert reported.startswith(f"Wrong. The right action is {case.label}")


def test_gepa_goes_on_after_a_spent_budget_but_not_after_a_fault(modules: Any, bench: Any) -> None:
    watch = modules("evolve_gepa").Watch(bench)
    watch.on_error({"exception": CannotEvaluate("too long")})
    assert not watch(None)
    watch.on_error({"exception": OSError("gone")})
    assert watch(None)
    assert isinstance(watch.error, OSError)
