"""An evolution and a suite on a real Ray of two nodes, one of them killed: same winner, no answer paid twice."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.ray_nodes import RayNodes, needs_ray, started_ray
from fixtures.small_evolution import MODEL, SmallEvolution, bought_twice, finished, small_evolution

BUDGET = 120
REPOSITORY = Path(__file__).parents[2]
IN_FLIGHT = 4
"""Questions at once: as many as the cluster has CPUs. At most so many can be lost with a node."""

NOTES = """        bought.write(digest + "\\n")
"""
NOTES_NODE = """    import ray
    with open(os.environ["BOUGHT"] + ".nodes", "a") as nodes:
        nodes.write(ray.util.get_node_ip_address() + "\\n")
"""
WHERE = """\
import os

import ray


def call_api(prompt, options, context):
    with open(os.environ["BOUGHT"], "a") as log:
        log.write(ray.util.get_node_ip_address() + "\\n")
    return {"output": prompt}
"""

pytestmark = pytest.mark.nightly


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    needs_ray()
    made = small_evolution(tmp_path / "work", model=MODEL.replace(NOTES, NOTES + NOTES_NODE))
    # A folder of the checkout's own packages: the nodes import Anneal from it.
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    made.env |= {"PYTHONPATH": path, "LATENCY": "0.15"}
    return made


@pytest.fixture
def cluster(work: SmallEvolution) -> Iterator[RayNodes]:
    # Sockets have paths of at most 107 characters, so that pytest's own folders are too deep.
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        started_ray(Path(folder), work.environment) as nodes,
    ):
        yield nodes


def evolve(work: SmallEvolution, cluster: RayNodes, *words: str) -> Any:
    asked = ["--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", str(BUDGET), "--json"]
    argv = [sys.executable, "-m", "evolve", *asked, "--executor", f"ray:{cluster.address}", *words]
    return cluster.start(argv, cwd=work.folder, env=work.environment)


def until(condition: Callable[[], bool], what: str, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.01)


def decided(result: dict[str, Any]) -> list[Any]:
    return [result[name] for name in ("run", "winner", "outcome", "reason", "gate")]


def test_a_killed_node_changes_nothing_and_costs_only_what_it_was_working_on(
    tmp_path: Path, work: SmallEvolution, cluster: RayNodes
) -> None:
    here = json.loads(small_evolution(tmp_path / "here").run("--json", budget=BUDGET).stdout)
    process = evolve(work, cluster)
    until(lambda: len(work.bought) >= 40, "forty questions")
    assert set((work.folder / "bought.nodes").read_text().split()) == {"10.77.0.1", "10.77.0.2"}
    cluster.kill_second()
    ended = finished(process, timeout_s=240)
    assert ended.returncode == 0, ended.stderr
    assert decided(json.loads(ended.stdout)) == decided(here)
    assert len(set(work.bought)) == BUDGET
    assert len(bought_twice(work.bought)) <= IN_FLIGHT

    # The nodes that are left answer a suite: everything is known but its own questions.
    words = ["run", "suite.yaml", "--json", "--agent", "AGENT.md", "--provider", "python:model.py"]
    argv = [sys.executable, "-m", "evolve", *words, "--executor", f"ray:{cluster.address}"]
    asked = len(work.bought)
    suite = finished(cluster.start(argv, cwd=work.folder, env=work.environment), timeout_s=240)
    assert suite.returncode in (0, 1), suite.stderr
    assert json.loads(suite.stdout)["errors"] == 0
    assert len(work.bought) - asked == len(set(work.bought[asked:]))


def test_both_nodes_of_a_cluster_answer_a_suite(work: SmallEvolution, cluster: RayNodes) -> None:
    (work.folder / "where.py").write_text(WHERE)
    tests = [{"vars": {"n": number}} for number in range(60)]
    suite = {"prompts": ["{{ n }}"], "providers": ["file://where.py"], "tests": tests}
    (work.folder / "many.yaml").write_text(json.dumps(suite))
    argv = [sys.executable, "-m", "evolve", "run", "many.yaml", "--json", "--executor", f"ray:{cluster.address}"]
    ended = finished(cluster.start(argv, cwd=work.folder, env=work.environment), timeout_s=240)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["passed"] == 60
    assert set(work.bought) == {"10.77.0.1", "10.77.0.2"}
    assert len(work.bought) == 60
