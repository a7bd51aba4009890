"""The stand-in's docker driver on a real engine: containers run, print, end, keep to their limit, and leave nothing."""

import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.standin.containers import OWNER
from evolve.infra.engine.docker_engine import DockerEngine
from fixtures.nomad_contract import SECOND, a_job
from fixtures.nomad_standins import Agent, agent, purge_all, until
from fixtures.shell_images import shell_image

GROW = "a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done"


@pytest.fixture(scope="module")
def image(engine: DockerEngine) -> Iterator[str]:
    with shell_image(engine) as name:
        yield name


@pytest.fixture
def nomad(engine: DockerEngine, tmp_path: Path) -> Iterator[Agent]:
    """An agent whose node has the engine; at its end none of its containers is left."""
    with agent(tmp_path, docker=engine.url) as one:
        yield one
        purge_all(one)
        until(lambda: not containers(engine, tmp_path), "its containers are gone")


def containers(engine: DockerEngine, folder: Path) -> list[Any]:
    found: list[Any] = engine.client.containers.list(all=True, filters={"label": f"{OWNER}={folder}/data"})
    return found


def task(image: str, command: str, **more: Any) -> dict[str, Any]:
    config = {"image": image, "command": "/bin/sh", "args": ["-c", command]}
    return {"Driver": "docker", "Config": config, "Resources": {"CPU": 20, "MemoryMB": 32}, **more}


def state(nomad: Agent, job_id: str) -> Any:
    """The task's state; None before there is one."""
    allocs = nomad.allocs(job_id)
    return (allocs[0]["TaskStates"] or {}).get("main") if allocs else None


def event_of(nomad: Agent, job_id: str, kind: str) -> Any:
    found = state(nomad, job_id) or {"Events": []}
    return next((one for one in found["Events"] if one["Type"] == kind), None)


def seen(nomad: Agent, job_id: str, kind: str) -> Any:
    return until(lambda: event_of(nomad, job_id, kind), f"{kind} in {job_id}")


def log(nomad: Agent, job_id: str, stream: str = "stdout") -> str:
    alloc = nomad.allocs(job_id)[0]["ID"]
    url = f"{nomad.url}/v1/client/fs/logs/{alloc}?task=main&type={stream}&plain=true"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_the_node_shows_the_driver_only_with_an_engine(nomad: Agent, engine: DockerEngine, tmp_path: Path) -> None:
    [node] = nomad.read("/v1/nodes")
    assert node["Drivers"]["docker"]["Healthy"]
    attributes = nomad.read(f"/v1/node/{node['ID']}")["Attributes"]
    assert attributes["driver.docker.version"] == engine.client.version()["Version"]
    other = tmp_path / "other"
    other.mkdir()
    with agent(other, docker=f"unix://{tmp_path}/nobody.sock") as without:
        assert set(without.read("/v1/nodes")[0]["Drivers"]) == {"raw_exec"}


def test_a_container_prints_and_ends_with_its_code(nomad: Agent, image: str) -> None:
    command = 'echo "$WHO $NOMAD_JOB_ID"; echo bad >&2; echo kept >$NOMAD_ALLOC_DIR/note; exit 3'
    job = a_job(task=task(image, command, Env={"WHO": "main"}))
    nomad.register(job)
    terminated = seen(nomad, job["ID"], "Terminated")
    assert (terminated["ExitCode"], terminated["Details"]["oom_killed"]) == (3, "false")
    assert terminated["DisplayMessage"].startswith("Exit Code: 3, Exit Message:")
    assert log(nomad, job["ID"]) == f"main {job['ID']}\n"
    assert log(nomad, job["ID"], "stderr") == "bad\n"
    alloc = nomad.allocs(job["ID"])[0]["ID"]
    assert (nomad.folder / f"data/alloc/{alloc}/alloc/note").read_text() == "kept\n"


def test_a_batch_job_that_ends_well_is_complete(nomad: Agent, image: str, engine: DockerEngine) -> None:
    job = a_job(task=task(image, "exit 0"), Type="batch")
    nomad.register(job)
    until(lambda: [one["ClientStatus"] for one in nomad.allocs(job["ID"])] == ["complete"], "it is complete")
    until(lambda: not containers(engine, nomad.folder), "its container is gone")


def test_a_container_over_its_memory_limit_is_killed(nomad: Agent, image: str, engine: DockerEngine) -> None:
    job = a_job(task=task(image, GROW))
    nomad.register(job)
    terminated = seen(nomad, job["ID"], "Terminated")
    assert terminated["ExitCode"] == 137
    assert terminated["Signal"] == 0  # Docker does not say it (recording 14)
    assert terminated["Details"]["oom_killed"] in ("true", "false")  # engines do not always know


def test_an_image_that_is_not_there_is_tried_again_within_the_policy(nomad: Agent) -> None:
    policy = {"Attempts": 1, "Interval": 300 * SECOND, "Delay": SECOND // 10, "Mode": "fail"}
    job = a_job(task=task("127.0.0.1:5999/nosuch:1", "true"), group={"RestartPolicy": policy})
    nomad.register(job)
    seen(nomad, job["ID"], "Not Restarting")
    events = state(nomad, job["ID"])["Events"]
    words = ["Driver", "Driver Failure"]
    assert [one["Type"] for one in events][2:] == [*words, "Restarting", *words, "Not Restarting"]
    expected = r"Failed to pull `127\.0\.0\.1:5999/nosuch:1`: Error response from daemon: "
    assert all(re.match(expected, one["DriverError"]) for one in events if one["Type"] == "Driver Failure")


def test_a_program_that_the_image_lacks_is_not_tried_again(nomad: Agent, image: str, engine: DockerEngine) -> None:
    spec = task(image, "true")
    spec["Config"]["command"] = "/no/such/binary"
    job = a_job(task=spec)
    nomad.register(job)
    failure = seen(nomad, job["ID"], "Driver Failure")["DriverError"]
    assert re.match(r'Failed to start container \w{64}: Error response from daemon: .*"/no/such/binary"', failure)
    assert seen(nomad, job["ID"], "Not Restarting")["DisplayMessage"] == "Error was unrecoverable"
    assert not containers(engine, nomad.folder)


@pytest.mark.parametrize("config", [{"image": ""}, {"image": "a:1", "imgae": "b:1"}])
def test_a_bad_configuration_fails_the_task(nomad: Agent, config: dict[str, str]) -> None:
    job = a_job(task={"Driver": "docker", "Config": config})
    nomad.register(job)
    assert re.search("imgae|image name required", seen(nomad, job["ID"], "Driver Failure")["DriverError"])


@pytest.mark.parametrize(("on_term", "code"), [("exit 0", 0), ("", 137)])
def test_a_stop_asks_first_and_kills_after_the_timeout(nomad: Agent, image: str, on_term: str, code: int) -> None:
    command = f"trap '{on_term}' TERM; echo ready; while :; do sleep 0.1; done"
    job = a_job(task=task(image, command, KillTimeout=SECOND))
    nomad.register(job)
    until(lambda: nomad.live(job["ID"]) and "ready" in log(nomad, job["ID"]), "it is ready")
    nomad.write(f"/v1/job/{job['ID']}", None, "DELETE")
    assert seen(nomad, job["ID"], "Terminated")["ExitCode"] == code
    seen(nomad, job["ID"], "Killed")


def test_a_container_outlives_its_agent_and_is_taken_up_again(image: str, engine: DockerEngine, tmp_path: Path) -> None:
    job = a_job("", task=task(image, "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done"))
    with agent(tmp_path, docker=engine.url) as first:
        first.register(job)
        until(lambda: first.live(job["ID"]) and "line 3" in log(first, job["ID"]), "it prints")
        until(lambda: next(iter(first.kept_tasks().values())).get("container"), "its id is kept")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(timeout=10)
    [before] = containers(engine, tmp_path)
    stray = {**before.labels}
    engine.client.containers.create(image, ["/bin/sh"], labels=stray)
    with agent(tmp_path, docker=engine.url) as second:
        until(lambda: second.live(job["ID"]), "it runs")
        until(lambda: [one.id for one in containers(engine, tmp_path)] == [before.id], "the unknown one is gone")
        last = max(int(number) for number in re.findall(r"line (\d+)\n", log(second, job["ID"])))
        until(lambda: f"line {last + 3}\n" in log(second, job["ID"]), "its output goes on")
        lines = log(second, job["ID"]).splitlines()
        assert lines[: last + 1] == [f"line {number}" for number in range(1, last + 2)]
        purge_all(second)
        until(lambda: not containers(engine, tmp_path), "its container is gone")


def test_containers_end_with_an_agent_that_keeps_nothing(image: str, engine: DockerEngine, tmp_path: Path) -> None:
    job = a_job(task=task(image, "sleep 3600"))
    with agent(tmp_path, docker=engine.url, keeps_state=False) as nomad:
        nomad.register(job)
        until(lambda: nomad.live(job["ID"]), "it runs")
        assert containers(engine, tmp_path)
    assert not containers(engine, tmp_path)


def test_containers_of_an_agent_whose_folder_is_gone_are_removed(
    image: str, engine: DockerEngine, tmp_path: Path
) -> None:
    gone, other = tmp_path / "gone", tmp_path / "other"
    gone.mkdir()
    other.mkdir()
    job = a_job(task=task(image, "sleep 3600"))
    with agent(gone, docker=engine.url) as first:
        first.register(job)
        until(lambda: first.live(job["ID"]), "it runs")
    assert containers(engine, gone)
    shutil.rmtree(gone)
    with agent(other, docker=engine.url):
        until(lambda: not containers(engine, gone), "they are removed")
