"""The stand-in for Nomad answers what a real Nomad answered, as far as the playbooks ask it, and runs tasks."""

import os
import platform
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.cluster.standin.build import build
from evolve.cluster.standin.consul import task_service
from evolve.cluster.standin.shapes import job_filled
from fixtures.nomad_replay import LATER_S, Replay, Step, steps
from fixtures.nomad_standins import Agent, agent, purge_all, until

SECOND = 1_000_000_000


@pytest.fixture
def nomad(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path) as one:
        yield one
        purge_all(one)


def runs(pid: object) -> bool:
    """Whether the process is there and no zombie that nobody has buried yet."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"


def a_job(command: str, **more: object) -> dict[str, object]:
    task = {"Name": "main", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", command]}}
    group = {
        "Name": "app",
        "Tasks": [{**task, **more.pop("task", {})}],
        "RestartPolicy": {"Attempts": 1, "Interval": 60 * SECOND, "Delay": SECOND // 10, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "Update": {"MinHealthyTime": SECOND // 5},
        **more.pop("group", {}),
    }
    return {"ID": "web", "TaskGroups": [group], **more}


NOT_ASKED = "no playbook asks this"
AT_ONCE = "the stand-in places at once: an evaluation is never seen pending"
OTHER_PAST = "the recorded job had a past of other steps, and the answer was cut"
SOME_ERRORS = "a part of the validation only"
GO = "the words of Go's JSON parser"
FIGURES = "a part of the figures only"
GAPS: dict[str, dict[int, str]] = {
    "01": {3: AT_ONCE},
    "02": {},
    "03": {},
    "04": {0: SOME_ERRORS, 2: SOME_ERRORS, 5: GO, 9: GO},
    "07": {1: OTHER_PAST, 2: OTHER_PAST, 3: OTHER_PAST, 6: OTHER_PAST, 11: NOT_ASKED},
    "26": {6: FIGURES, 10: FIGURES, 11: FIGURES, **dict.fromkeys((8, *range(13, 17), *range(18, 25)), NOT_ASKED)},
    "29": {**dict.fromkeys((12, 17, 18, 20), NOT_ASKED), 25: GO},
}


def replayed(nomad: Agent, *names: str) -> list[str]:
    """What the agent answered otherwise than recorded, and gaps that are none any more."""
    replay = Replay(nomad.url)
    return [reported for name in names for step in steps(name) if (reported := difference_of(name, step, replay))]


def difference_of(name: str, step: Step, replay: Replay) -> str:
    gap = GAPS[name].get(step.number)
    found = replay.differences(step, later_s=0 if gap else LATER_S)
    where = f"{name} step {step.number} {step.method} {step.path} ({step.note})"
    if gap:
        return "" if found else f"{where}: no difference, but GAPS says: {gap}"
    return f"{where}: {'; '.join(found)}" if found else ""


def test_plan_register_read_and_check_and_set_answer_as_recorded(nomad: Agent) -> None:
    assert replayed(nomad, "01", "02", "03") == []


def test_refused_jobs_answer_as_recorded(nomad: Agent) -> None:
    assert replayed(nomad, "04") == []


def test_stop_and_purge_answer_as_recorded(nomad: Agent) -> None:
    nomad.register(steps("07")[5].body["Job"])
    until(lambda: nomad.live("ver"), "the job runs")
    assert replayed(nomad, "07") == []


def test_reads_of_agent_and_nodes_answer_as_recorded(nomad: Agent) -> None:
    assert replayed(nomad, "26") == []


def test_wrong_methods_and_paths_answer_as_recorded(nomad: Agent) -> None:
    assert replayed(nomad, "29") == []


def test_a_service_is_registered_in_consul_as_recorded() -> None:
    job = job_filled(steps("31")[1].body["Job"])
    recorded = next(iter(steps("31")[7].answer.values()))
    alloc_id = recorded["ID"].removeprefix("_nomad-task-").removesuffix("-group-app-shop-http")
    ports = [{"Label": "http", "Value": recorded["Port"]}]
    alloc = {"ID": alloc_id, "AllocatedResources": {"Shared": {"Ports": ports}}}
    (group,) = job["TaskGroups"]
    sent = task_service(alloc, group, group["Services"][0], recorded["Address"])
    assert {key: sent[key] for key in ("ID", "Tags", "Meta", "Port", "Address")} == {
        key: recorded[key] for key in ("ID", "Tags", "Meta", "Port", "Address")
    }
    assert sent["Name"] == recorded["Service"]
    alive, tcp = sent["Checks"]
    assert (alive["HTTP"], alive["Interval"], alive["Timeout"]) == (f"http://127.0.0.1:{recorded['Port']}/", "1s", "1s")
    assert (tcp["TCP"], tcp["Interval"]) == (f"127.0.0.1:{recorded['Port']}", "2s")


def test_a_service_and_its_checks_have_the_address_that_the_job_names() -> None:
    check = {"Type": "http", "Path": "/metrics", "Interval": 1_000_000_000, "Timeout": 1_000_000_000}
    service = {"Name": "own", "PortLabel": "web", "Address": "127.0.0.1", "Checks": [check]}
    ports = [{"Label": "web", "Value": 21999}]
    alloc = {"ID": "one", "AllocatedResources": {"Shared": {"Ports": ports}}}
    sent = task_service(alloc, {"Name": "app"}, service, "192.0.2.1")
    assert sent["Address"] == "127.0.0.1"
    assert sent["Checks"][0]["HTTP"] == "http://127.0.0.1:21999/metrics"


def test_a_task_runs_with_its_environment_and_templates(nomad: Agent) -> None:
    command = "cat local/words; echo $NOMAD_PORT_web ${attr.unique.hostname} $OWN; exec sleep 60"
    template = {"DestPath": "local/words", "EmbeddedTmpl": "plain words\n", "Perms": "0755"}
    group = {"Networks": [{"ReservedPorts": [{"Label": "web", "Value": 21999}]}]}
    nomad.register(a_job(command, task={"Templates": [template], "Env": {"OWN": "mine"}}, group=group))
    (alloc,) = until(lambda: nomad.live("web"), "the job runs")
    expected = f"plain words\n21999 {platform.node()} mine\n"
    assert until(lambda: nomad.output(alloc["ID"]), "the task says something") == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs of other users: run the tests as root")
def test_a_task_of_a_user_has_the_users_groups_and_no_others(nomad: Agent) -> None:
    account = pwd.getpwnam("nobody")
    nomad.register(a_job("id -u; id -G; exec sleep 60", task={"User": "nobody"}))
    (alloc,) = until(lambda: nomad.live("web"), "the job runs")
    groups = " ".join(map(str, os.getgrouplist("nobody", account.pw_gid)))
    assert until(lambda: nomad.output(alloc["ID"]), "the task prints its user") == f"{account.pw_uid}\n{groups}\n"


def test_an_allocation_is_healthy_after_its_time(nomad: Agent) -> None:
    nomad.register(a_job("exec sleep 60"))
    until(lambda: [one for one in nomad.live("web") if (one["DeploymentStatus"] or {}).get("Healthy")], "it is healthy")
    until(lambda: nomad.read("/v1/job/web")["Stable"], "its version is stable")


def test_a_killed_task_is_restarted_within_its_policy(nomad: Agent) -> None:
    nomad.register(a_job("exec sleep 60"))
    (alloc,) = until(lambda: nomad.live("web"), "the job runs")
    os.kill(until(lambda: nomad.kept_tasks()[alloc["ID"]].get("pid"), "its process is kept"), signal.SIGKILL)

    def restarted():
        return [one for one in nomad.live("web") if one["TaskStates"]["main"]["Restarts"] == 1]

    (again,) = until(restarted, "it runs again")
    kinds = [one["Type"] for one in again["TaskStates"]["main"]["Events"]]
    assert kinds == ["Received", "Task Setup", "Started", "Terminated", "Restarting", "Started"]
    assert [(one["ExitCode"], one["Signal"]) for one in again["TaskStates"]["main"]["Events"]][3] == (137, 9)


def test_a_job_that_failed_for_good_starts_again_only_when_a_field_changes(nomad: Agent) -> None:
    """Recording 43: an unchanged register answers 200 and does nothing."""
    flag = nomad.folder / "may-run"
    job = a_job(f"test -f {flag} || exit 5; exec sleep 60", Meta={"after": "0"})
    nomad.register(job)
    until(lambda: nomad.read("/v1/job/web")["Status"] == "dead", "it has failed for good")
    events = nomad.allocs("web")[0]["TaskStates"]["main"]["Events"]
    assert events[-1]["DisplayMessage"] == 'Exceeded allowed attempts 1 in interval 1m0s and mode is "fail"'
    flag.touch()
    nomad.register(job)
    assert [one["ClientStatus"] for one in nomad.allocs("web")] == ["failed"]
    nomad.register({**job, "Meta": {"after": "1"}})
    until(lambda: nomad.live("web"), "it runs again")
    assert nomad.read("/v1/job/web")["Version"] == 1


def test_tasks_outlive_their_agent_and_are_taken_up_by_the_next(tmp_path: Path) -> None:
    with agent(tmp_path) as first:
        first.register(a_job("exec sleep 60"))
        (alloc,) = until(lambda: first.live("web"), "the job runs")
        before = until(lambda: first.kept_tasks()[alloc["ID"]], "its process is kept")
        first.process.kill()
        first.process.wait()
    with agent(tmp_path) as second:
        until(lambda: second.live("web"), "the job runs")
        assert second.kept_tasks() == {alloc["ID"]: before}
        assert second.read("/v1/job/web")["Version"] == 0
        purge_all(second)
    assert not runs(before["pid"])


def test_distinct_hosts_leaves_what_does_not_fit_waiting(nomad: Agent) -> None:
    group = {"Count": 2, "Constraints": [{"Operand": "distinct_hosts", "RTarget": "true"}]}
    nomad.register(a_job("exec sleep 60", group=group))
    until(lambda: nomad.live("web"), "one runs")
    (blocked,) = [one for one in nomad.read("/v1/job/web/evaluations") if one["Status"] == "blocked"]
    assert blocked["FailedTGAllocs"]["app"]["ConstraintFiltered"] == {"distinct_hosts": 1}
    assert nomad.read("/v1/job/web/summary")["Summary"]["app"]["Queued"] == 1


def test_the_program_is_the_same_for_the_same_sources(tmp_path: Path) -> None:
    assert build(tmp_path / "one").read_bytes() == build(tmp_path / "other").read_bytes()


def test_the_program_tells_its_version_and_a_config_it_cannot_read(tmp_path: Path) -> None:
    program = build(tmp_path / "nomad")
    reported = subprocess.run([sys.executable, program, "version"], capture_output=True, text=True, check=True)
    assert reported.stdout.startswith("Nomad v2.0.6")
    (tmp_path / "agent.json").write_text("{")
    argv = [sys.executable, program, "agent", "-config", tmp_path]
    broken = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert f"error loading config from {tmp_path}/agent.json" in broken.stderr
