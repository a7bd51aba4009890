"""An evolution and a suite on four experts of a real Consul, one of them killed: same winner, nothing paid twice."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.expert_endpoint import ExpertProcess, start_expert, started_experts
from fixtures.real_consul import started_consul
from fixtures.small_evolution import SmallEvolution, finished, small_evolution

BUDGET = 120


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield url


@pytest.fixture
def four(tmp_path: Path) -> Iterator[list[ExpertProcess]]:
    with started_experts(tmp_path, 4, delay_s=0.05) as experts:
        yield experts


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the same evolution on one endpoint that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with started_experts(folder, 1, slots=8) as (alone,):
        return result_of(small_evolution(folder / "work").run("--json", "--provider", f"pool:{alone.url}"))


def result_of(ended: Any) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


def put(consul: str, path: str, value: Any) -> None:
    request = urllib.request.Request(f"{consul}{path}", json.dumps(value).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def register(consul: str, name: str, number: int, expert: ExpertProcess, tag: str = "main") -> None:
    check = {"HTTP": f"{expert.url}/models", "Interval": "1s", "Timeout": "1s", "Status": "passing"}
    service = {"ID": f"{name}-{number}", "Name": name, "Address": "127.0.0.1", "Port": expert.port, "Tags": [tag]}
    put(consul, "/v1/agent/service/register", {**service, "Check": check})


def until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.01)


def done_by(experts: list[ExpertProcess]) -> list[str]:
    return [key for expert in experts for key in expert.keys("done")]


def decided(result: dict[str, Any]) -> list[Any]:
    return [result[name] for name in ("winner", "outcome", "reason", "gate")]


@pytest.mark.parametrize("killed", [0, 3])
def test_a_killed_expert_changes_neither_winner_nor_gate_and_nothing_is_paid_twice(
    tmp_path: Path, consul: str, four: list[ExpertProcess], undisturbed: dict[str, Any], killed: int
) -> None:
    name = f"experts-{killed}"
    for number, expert in enumerate(four):
        register(consul, name, number, expert)
    work = small_evolution(tmp_path / "work")
    work.env["CONSUL_HTTP_ADDR"] = consul
    process = work.start("--json", "--provider", f"pool:consul:{name}?tag=main", budget=BUDGET)
    until(lambda: len(four[killed].keys("done")) >= 8, "the expert has answered")
    four[killed].kill()

    result = result_of(finished(process))
    assert decided(result) == decided(undisturbed)
    done = done_by(four)
    assert len(done) == len(set(done)), "an answer was paid for twice"
    assert len(done) == result["account"]["search"] + result["account"]["gate"] == BUDGET
    assert all(expert.keys("done") for expert in four)


def test_an_expert_that_joins_in_mid_run_gets_requests_and_one_of_another_tag_none(
    tmp_path: Path, consul: str, four: list[ExpertProcess], undisturbed: dict[str, Any]
) -> None:
    first, late, other, _ = four
    register(consul, "growing", 0, first)
    register(consul, "growing", 2, other, tag="other")
    work = small_evolution(tmp_path / "work")
    work.env["CONSUL_HTTP_ADDR"] = consul
    process = work.start("--json", "--provider", "pool:consul:growing?tag=main", budget=BUDGET)
    until(lambda: len(first.keys("done")) >= 5, "the expert has answered")
    register(consul, "growing", 1, late)

    assert decided(result_of(finished(process))) == decided(undisturbed)
    assert late.keys("done")
    assert not other.keys("asked")


def test_a_suite_runs_on_the_pool_and_a_second_run_asks_nothing(tmp_path: Path, four: list[ExpertProcess]) -> None:
    work = small_evolution(tmp_path / "work")
    words = [
        "run",
        "suite.yaml",
        "--json",
        "--agent",
        "AGENT.md",
        "--provider",
        f"pool:{','.join(e.url for e in four)}",
    ]
    first = finished(work.begin(*words))
    assert first.returncode == 1, first.stderr
    asked = done_by(four)
    assert len(asked) == len(set(asked)) == 45
    assert all(expert.keys("done") for expert in four)
    second = finished(work.begin(*words))
    assert json.loads(second.stdout)["passed"] == json.loads(first.stdout)["passed"]
    assert done_by(four) == asked


def test_a_reflector_is_asked_through_a_pool(tmp_path: Path, four: list[ExpertProcess]) -> None:
    work = small_evolution(tmp_path / "work")
    one, two, *reflectors = (expert.url for expert in four)
    words = ["--provider", f"pool:{one},{two}", "--reflector", f"pool:{','.join(reflectors)}"]
    result = result_of(work.run("--json", *words))
    assert result["account"]["reflector"] >= 1
    assert any(expert.keys("done") for expert in four[2:])


def test_mixed_models_end_a_run_before_its_first_answer(tmp_path: Path, four: list[ExpertProcess]) -> None:
    other = start_expert(tmp_path, "other", model="another-model")
    work: SmallEvolution = small_evolution(tmp_path / "work")
    try:
        pool = f"pool:{four[0].url},{other.url}"
        suite = ["run", "suite.yaml", "--agent", "AGENT.md", "--provider"]
        runs = [work.begin(*suite, name) for name in (pool, f"{pool}?model=colours")]
        refused = [work.run("--provider", pool), *map(finished, runs)]
    finally:
        other.kill()
        assert other.process.stdout is not None
        other.process.stdout.close()
    for ended in refused:
        assert ended.returncode == 2
        assert ended.stderr.count("a pool of mixed models is refused") == 1
        assert f"{four[0].url} serves colours; {other.url} serves another-model" in ended.stderr
        assert not ended.stdout
    assert not done_by([four[0], other])


def test_a_service_that_nobody_passes_for_is_named(tmp_path: Path, consul: str) -> None:
    work = small_evolution(tmp_path / "work")
    work.env |= {"CONSUL_HTTP_ADDR": consul, "EVOLVE_RETRIES": "0"}
    ended = work.run("--provider", "pool:consul:nobody?tag=main")
    assert ended.returncode == 4
    assert "no instance of the service passes its checks" in ended.stderr
