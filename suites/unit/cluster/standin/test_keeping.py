"""The state that outlives its server: whole after a clean end, and after a kill in the middle of writes."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.standin import registering, scaling
from evolve.cluster.standin.keeping import Keeper
from evolve.cluster.standin.mocking import MockClient
from evolve.cluster.standin.scheduling import tick
from evolve.cluster.standin.shapes import SECOND
from evolve.cluster.standin.state import State
from evolve.cluster.standin.watching import watch

PARTS = ("index", "jobs", "allocs", "evals", "deployments", "versions", "scalings")


def a_job(job_id: str, **more: Any) -> dict[str, Any]:
    task = {"Name": "main", "Driver": "mock_driver", "Config": {}}
    return {"Job": {"ID": job_id, "TaskGroups": [{"Name": "app", "Tasks": [task]}], **more}}


def write_for_ever(path: Path, first: int) -> None:
    """Registers, changes, scales and purges jobs; says after each save which jobs there are."""
    state = State(path)
    with state.lock:
        client = MockClient(state)
        for number in range(first, first + 100_000):
            registering.register(state, a_job(f"job-{number}"), "")
            registering.register(state, a_job(f"job-{number}", Meta={"version": "1"}), "")
            client.step()
            tick(state, state.clock.now_ns())
            watch(state, state.clock.now_ns())
            scaling.scale(state, f"job-{number}", {"Target": {"Group": "app"}, "Message": "a note"})
            if number % 3 == 2:
                registering.deregister(state, f"job-{number - 1}", purge=True)
            state.save()
            print(json.dumps([number, state.index, [*state.jobs]]), flush=True)


def kill_in_the_middle(path: Path, first: int, after: int) -> tuple[int, int, list[str]]:
    """What a writer said last that it had saved, before it was killed: a job's number, the index, all jobs."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
    code += f"from test_keeping import write_for_ever; write_for_ever(Path({str(path)!r}), {first})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    number, index, jobs = json.loads([line for line in lines if line.endswith("\n")][-1])
    return number, index, jobs


def test_a_kill_in_the_middle_of_writes_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    rng, first = random.Random(15), 0
    for _ in range(4):
        last, index, jobs = kill_in_the_middle(tmp_path / "state.sqlite", first, rng.randint(3, 60))
        state = State(tmp_path / "state.sqlite")
        # The next save may have been done, and only its line is missing.
        purged = {f"job-{last}"} if (last + 1) % 3 == 2 else set()
        assert {*state.jobs} in ({*jobs}, {*jobs, f"job-{last + 1}"} - purged)
        assert state.index >= index
        check_whole(state)
        state.close()
        first = last + 2


def check_whole(state: State) -> None:
    """Every record belongs to a job that is there, with all of its versions, and has an index that was given."""
    for kind in ("allocs", "deployments"):
        assert {one["JobID"] for one in getattr(state, kind).values()} <= {*state.jobs}
    for job_id, job in state.jobs.items():
        assert [one["Version"] for one in state.versions[job_id]] == [1, 0]
        assert state.versions[job_id][0] is job
        assert [one["Message"] for one in state.scalings[job_id]["app"]] == ["a note"]
        assert len([one for one in state.allocs_of(job_id) if one["DesiredStatus"] == "run"]) == 1
    newest = [one["ModifyIndex"] for kind in ("jobs", "allocs", "evals") for one in getattr(state, kind).values()]
    assert max(newest) <= state.index


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    policies = {"RestartPolicy": {"Attempts": 0}, "ReschedulePolicy": {"Unlimited": True, "Delay": 30 * SECOND}}
    failing = {"Name": "main", "Driver": "mock_driver", "Config": {"run_for": 0.001, "exit_code": 1}}
    with state.lock:
        client = MockClient(state)
        registering.register(state, a_job("web"), "")
        registering.register(
            state, {"Job": {"ID": "bad", "TaskGroups": [{"Name": "app", "Tasks": [failing], **policies}]}}, ""
        )
        while not any(one["FollowupEvalID"] for one in state.allocs_of("bad")):
            client.step()
            tick(state, state.clock.now_ns())
        registering.deregister(state, "web", purge=False)
        state.save()
    before = {part: getattr(state, part) for part in PARTS}
    state.close()
    again = State(tmp_path / "state.sqlite")
    assert {part: getattr(again, part) for part in PARTS} == before
    again.close()


def test_a_save_is_all_or_nothing(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "state.sqlite")
    keeper.save([("jobs", "web", {"Version": 0})])
    with pytest.raises(TypeError):
        keeper.save([("jobs", "web", {"Version": 1}), ("jobs", "api", {"not": {"JSON"}})])
    assert keeper.load() == {"jobs": {"web": {"Version": 0}}}
    keeper.save([("jobs", "web", None)])
    assert keeper.load() == {}
    keeper.close()


def test_a_state_in_memory_collects_nothing_for_a_file() -> None:
    state = State(None)
    with state.lock:
        registering.register(state, a_job("web"), "")
        state.save()
    assert state._changed == set()
