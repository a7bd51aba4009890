"""`evaluateOptions.timeoutMs` and `maxEvalTimeMs` end what takes too long; quick rows keep their verdicts."""

import asyncio
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.events import CaseResult
from evolve.evaluation.setup import Settings, load, runner_for
from evolve.evaluation.time_limits import TimeLimits
from evolve.store.answers import NoAnswers

SLOW = """\
import threading

def call_api(prompt, options, context):
    if "wait" in prompt:
        threading.Event().wait(20)
    return {"output": prompt}
"""


def results_of(folder: Path, options: str, tests: str) -> list[CaseResult]:
    (folder / "slow.py").write_text(SLOW)
    (folder / "s.yaml").write_text(
        f"prompts: ['{{{{q}}}}']\nproviders: [{{id: 'python:slow.py', config: {{workers: 4}}}}]\n"
        f"evaluateOptions: {options}\ntests: {tests}\n"
    )
    settings = Settings(env={"EVOLVE_CACHE_DIR": str(folder / "cache")}, use_cache=False)
    loaded = load(str(folder / "s.yaml"), settings)

    async def run() -> list[CaseResult]:
        runner = runner_for(loaded, settings, NoAnswers())
        try:
            return [result async for results in runner.results(loaded.units) for result in results]
        finally:
            await runner.close()

    return asyncio.run(run())


def test_a_row_that_takes_longer_than_timeoutms_is_an_error(tmp_path: Path) -> None:
    tests = "[{vars: {q: wait}, assert: [{type: contains, value: wait}]}, {vars: {q: quick}}]"
    found = {result.prompt: result for result in results_of(tmp_path, "{timeoutMs: 2000}", tests)}
    assert found["wait"].status == "error"
    assert found["wait"].error == "no result after 2000 ms, the suite's timeoutMs"
    assert found["quick"].status == "pass"


def test_all_rows_that_are_not_done_after_maxevaltimems_are_errors(tmp_path: Path) -> None:
    tests = "[{vars: {q: wait one}}, {vars: {q: wait two}}]"
    found = results_of(tmp_path, "{maxEvalTimeMs: 1500, maxConcurrency: 1}", tests)
    assert [result.error for result in found] == ["the suite did not end within 1500 ms, its maxEvalTimeMs"] * 2


def test_zero_is_no_limit_and_an_inner_timeout_is_not_ours() -> None:
    async def body() -> None:
        async with TimeLimits(0, 0).one_evaluation(0.0):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(body())


def test_the_sooner_of_both_limits_counts() -> None:
    async def ended_by(timeout_ms: float, max_time_ms: float) -> str:
        with pytest.raises(EnvironmentFault) as caught:
            async with TimeLimits(timeout_ms, max_time_ms).one_evaluation(0.0):
                await asyncio.Event().wait()
        return str(caught.value)

    assert "timeoutMs" in asyncio.run(ended_by(1, 60_000))
    assert "maxEvalTimeMs" in asyncio.run(ended_by(60_000, 1))
