"""The agent runs jobs, and its tasks outlive it; without a program its files are ready and nothing runs."""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

WAIT_S = 120
needs_nomad = pytest.mark.skipif(not os.environ.get("NOMAD_BINARY"), reason="needs a real Nomad binary (NOMAD_BINARY)")


def wait_for(what: str, met: Callable[[], object]) -> None:
    """Returns as soon as `met` says yes; fails with the last answer after `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    while not (answer := met()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S} s, last answer {answer!r}"
        time.sleep(0.5)


def ask(host: Host, path: str, body: Any = None, method: str = "GET") -> Any:
    """The API's answer as JSON; None while there is none."""
    call = (
        "import sys, urllib.request as u;"
        "r = u.Request('http://127.0.0.1:4646' + sys.argv[1], sys.argv[3].encode() or None, method=sys.argv[2]);"
        "print(u.urlopen(r, timeout=10).read().decode())"
    )
    answer = host.run("python3 -c %s %s %s %s", call, path, method, json.dumps(body) if body else "")
    return json.loads(answer.stdout or "null") if answer.rc == 0 else None


def running(host: Host) -> list[dict[str, Any]]:
    """The scenario's allocations that run."""
    found = ask(host, "/v1/job/scenario/allocations") or []
    return [allocation for allocation in found if allocation["ClientStatus"] == "running"]


@pytest.fixture
def job(host: Host) -> Iterator[None]:
    """A raw_exec job that runs a process the host can see."""
    task = {"Name": "wait", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["31536000"]}}
    task["Resources"] = {"CPU": 50, "MemoryMB": 32}
    group = {"Name": "one", "Count": 1, "Tasks": [task]}
    job = {"ID": "scenario", "Name": "scenario", "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [group]}
    assert ask(host, "/v1/jobs", {"Job": job}, "POST")["EvalID"]
    wait_for("a running allocation", lambda: running(host))
    yield
    ask(host, "/v1/job/scenario?purge=true", method="DELETE")
    wait_for("the task is gone", lambda: host.run("pgrep -fx %s", "/bin/sleep 31536000").rc == 1)


def test_the_configuration_is_what_the_role_was_given(host: Host) -> None:
    file = host.file("/etc/nomad.d/nomad.json")
    config = json.loads(file.content_string)
    assert (file.user, file.group, file.mode) == ("root", "nomad", 0o640)
    assert config["client"]["options"]["fingerprint.denylist"].split(",")[0] == "env_aws"
    assert config["client"]["host_volume"] == {"models": {"path": "/srv/models", "read_only": True}}
    assert config["plugin"]["raw_exec"]["config"]["enabled"] is True
    assert host.file("/srv/models").is_directory


def test_systemd_understands_the_unit(host: Host) -> None:
    said = host.run("systemd-analyze verify /etc/systemd/system/nomad.service").stderr.splitlines()
    # Without a program the only thing amiss is that there is none.
    assert [line for line in said if "nomad.service" in line and "is not executable" not in line] == []


@pytest.mark.skipif(bool(os.environ.get("NOMAD_BINARY")), reason="a program was given (NOMAD_BINARY)")
def test_without_a_program_nothing_runs(host: Host) -> None:
    service = host.service("nomad")
    assert not service.is_running
    assert not service.is_enabled
    assert not host.file("/usr/local/bin/nomad").exists


@needs_nomad
def test_the_agent_leads_and_its_client_is_ready(host: Host) -> None:
    assert host.service("nomad").is_running
    assert host.service("nomad").is_enabled
    wait_for("a leader", lambda: ask(host, "/v1/status/leader"))
    wait_for("a ready node", lambda: [node for node in ask(host, "/v1/nodes") or [] if node["Status"] == "ready"])


@needs_nomad
def test_a_task_outlives_a_restart_of_the_agent(host: Host, job: None) -> None:
    process = host.check_output("pgrep -fx %s", "/bin/sleep 31536000")
    host.check_output("systemctl restart nomad")
    wait_for("the allocation is known again", lambda: running(host))
    assert host.check_output("pgrep -fx %s", "/bin/sleep 31536000") == process


@needs_nomad
def test_a_task_that_is_killed_comes_back(host: Host, job: None) -> None:
    process = host.check_output("pgrep -fx %s", "/bin/sleep 31536000")
    host.check_output("kill -9 %s", process)
    wait_for(
        "a new process", lambda: host.run("pgrep -fx %s", "/bin/sleep 31536000").stdout.strip() not in ("", process)
    )


@needs_nomad
def test_an_agent_that_is_killed_comes_back_by_itself(host: Host) -> None:
    before = host.check_output("systemctl show --value -p MainPID nomad")
    host.check_output("kill -9 %s", before)
    wait_for("a new process", lambda: host.service("nomad").systemd_properties.get("MainPID") not in ("0", before))
    wait_for("a leader", lambda: ask(host, "/v1/status/leader"))
