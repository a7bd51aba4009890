"""The job evolve-run of the role bootstrap_agent, on the stand-in for Nomad: dispatched once, and the same result."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.nomad_standins import Agent, agent, purge_all, until
from fixtures.small_evolution import MODEL, SmallEvolution, bought_twice, finished, small_evolution

REPOSITORY = Path(__file__).parents[2]
ROLE = REPOSITORY / "roles/bootstrap_agent"
BUDGET = 120
PATIENCE_S = 90.0
HOLDING = MODEL.replace(
    "    time.sleep(", '    while os.path.exists(os.environ["HOLD"]):\n        time.sleep(0.01)\n    time.sleep('
)
"""The model, which answers nothing while a file is there: then a test decides how far a child has come."""


def rendered_job(**changed: Any) -> dict[str, Any]:
    """The job as the role registers it, rendered by Ansible's own template engine."""
    jinja2 = pytest.importorskip("jinja2", reason="needs Ansible's template engine: pip install -e '.[infra]'")
    values = yaml.safe_load((ROLE / "defaults/main.yml").read_text()) | {"_bootstrap_agent_second": 10**9} | changed
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(ROLE / "templates"), keep_trailing_newline=True)
    env.filters |= {
        "to_json": json.dumps,
        "combine": lambda one, other: {**one, **other},
        "quote": lambda text: f"'{text}'",
    }
    env.globals["lookup"] = lambda _, name: env.get_template(name).render(values)
    job: dict[str, Any] = json.loads(env.get_template("evolve-run.json.j2").render(values))
    return job


@pytest.fixture(scope="module")
def nomad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with agent(tmp_path_factory.mktemp("nomad"), keeps_state=False) as one:
        yield one
        purge_all(one)


@pytest.fixture
def work(tmp_path: Path, nomad: Agent) -> Iterator[SmallEvolution]:
    """A small evolution, whose job's node has Anneal and a folder for the ledger."""
    made = small_evolution(tmp_path / "work", model=HOLDING)
    made.env |= {"NOMAD_ADDR": nomad.url, "HOLD": str(tmp_path / "hold")}
    _install(tmp_path / "older", age_s=3600, text="echo an old wheel >&2; exit 9")
    environment = f"export PYTHONPATH={REPOSITORY} EVOLVE_RETRIES=0; exec {sys.executable} -m evolve"
    _install(tmp_path / "newer", age_s=0, text=f'{environment} "$@"')
    nomad.register(
        rendered_job(
            bootstrap_agent_evolve_home=str(tmp_path),
            bootstrap_agent_evolve_ledger=str(tmp_path / "ledger"),
            bootstrap_agent_evolve_cpu_mhz=50,
            bootstrap_agent_evolve_memory_mb=64,
            bootstrap_agent_evolve_environment={"BOUGHT": str(made.folder / "bought"), "HOLD": made.env["HOLD"]},
        )
    )
    yield made
    held(made).unlink(missing_ok=True)
    nomad.write("/v1/job/evolve-run?purge=true", {}, "DELETE")


def held(work: SmallEvolution) -> Path:
    """The file that holds the model back."""
    return Path(work.env["HOLD"])


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def _install(folder: Path, *, age_s: float, text: str) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "installed").write_text("a wheel\n")
    (folder / "bin/evolve").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin/evolve").chmod(0o755)
    when = time.time() - age_s
    os.utime(folder / "installed", (when, when))


def children(nomad: Agent) -> list[dict[str, Any]]:
    return list(nomad.read("/v1/jobs?prefix=evolve-run/"))


def decided(result: dict[str, Any]) -> list[Any]:
    return [result[name] for name in ("run", "winner", "outcome", "reason", "gate")]


def test_the_job_has_a_low_priority_a_volume_and_no_second_try() -> None:
    job = rendered_job(bootstrap_agent_evolve_volume="anneal")
    group = job["TaskGroups"][0]
    assert job["Priority"] < 50
    assert group["Volumes"]["ledger"]["Source"] == "anneal"
    assert (group["RestartPolicy"]["Attempts"], group["ReschedulePolicy"]["Attempts"]) == (0, 0)
    assert "Volumes" not in rendered_job()["TaskGroups"][0]


def test_an_evolution_on_nomad_has_the_result_of_one_here(tmp_path: Path, work: SmallEvolution, nomad: Agent) -> None:
    here = json.loads(small_evolution(tmp_path / "here").run("--json").stdout)
    ended = work.run("--json", "--executor", "nomad", budget=BUDGET)
    assert ended.returncode == 0, ended.stderr
    there = json.loads(ended.stdout)
    assert decided(there) == decided(here)
    assert "dispatched evolve-run/dispatch-" in ended.stderr
    assert "evolve: evolving COLOUR_AGENT@1" in ended.stderr, "the program's own lines are shown"
    assert (tmp_path / "ledger/ledger.sqlite").exists()
    assert (work.folder / there["winner_file"]).exists()


def test_the_same_request_follows_the_child_that_runs_and_is_paid_once(work: SmallEvolution, nomad: Agent) -> None:
    before = len(children(nomad))
    held(work).touch()
    first = work.start("--json", "--executor", "nomad", budget=BUDGET)
    until(lambda: work.bought, "the child asks", PATIENCE_S)
    second = work.start("--json", "--executor", "nomad", budget=BUDGET)
    assert "runs already and is followed" in first_line(second)
    held(work).unlink()
    assert json.loads(finished(second).stdout) == json.loads(finished(first).stdout)
    assert len(children(nomad)) == before + 1
    assert not bought_twice(work.bought)


def test_ctrl_c_leaves_the_child_running_and_a_stopped_one_is_continued(work: SmallEvolution, nomad: Agent) -> None:
    process = work.start("--json", "--executor", "nomad", budget=BUDGET)
    until(lambda: len(work.bought) > 5, "the child asks", PATIENCE_S)
    held(work).touch()
    process.send_signal(signal.SIGINT)
    assert "the job goes on; the same command follows it again" in finished(process).stderr
    (child,) = [one for one in children(nomad) if one["Status"] == "running"]
    follower = work.start("--json", "--executor", "nomad", budget=BUDGET)
    assert "runs already and is followed" in first_line(follower)
    nomad.write(f"/v1/job/{child['ID']}", {}, "DELETE")
    ended = finished(follower)
    assert ended.returncode == 4
    assert "did not end by itself: somebody stopped it (the same command dispatches it again" in ended.stderr

    held(work).unlink()
    asked = len(work.bought)
    again = finished(work.start("--json", "--executor", "nomad", budget=BUDGET))
    assert again.returncode == 0, again.stderr
    assert len(work.bought) > asked
    assert len(bought_twice(work.bought)) <= 8, "only what was in flight is asked again"


def test_a_mistake_of_the_user_has_its_exit_code_and_message(work: SmallEvolution) -> None:
    ended = finished(work.begin("--suite", "nowhere.yaml", "--agent", "AGENT.md", "--executor", "nomad"))
    assert ended.returncode == 2
    assert "nowhere.yaml" in ended.stderr


def test_the_folder_is_the_nodes(tmp_path: Path, work: SmallEvolution) -> None:
    words = ["--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", "60", "--json"]
    process = subprocess.run(
        [sys.executable, "-m", "evolve", *words, "--executor", f"nomad:{work.folder}"],
        cwd=tmp_path,
        env=work.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["agent"] == "COLOUR_AGENT@1"


def test_a_node_without_the_program_says_which_role_installs_it(work: SmallEvolution, nomad: Agent) -> None:
    nomad.register(rendered_job(bootstrap_agent_evolve_home="/nowhere", bootstrap_agent_evolve_memory_mb=64))
    ended = work.run("--executor", "nomad")
    assert ended.returncode == 4
    assert "no Anneal in /nowhere on this node: run the role supervisor on it" in ended.stderr


def test_a_cluster_without_the_job_names_the_role(work: SmallEvolution, nomad: Agent) -> None:
    nomad.write("/v1/job/evolve-run?purge=true", {}, "DELETE")
    ended = work.run("--executor", "nomad")
    assert ended.returncode == 4
    assert "Nomad has no job evolve-run (register it: the role bootstrap_agent" in ended.stderr


def test_without_a_cluster_the_variable_is_named(tmp_path: Path) -> None:
    ended = small_evolution(tmp_path / "work").run("--executor", "nomad")
    assert ended.returncode == 2
    assert "no cluster to run on" in ended.stderr
    assert "set NOMAD_ADDR" in ended.stderr
