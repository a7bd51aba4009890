"""`start_services.sh` in a cluster of the stand-in and a real Consul."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.nomad_contract import SECOND, a_job
from fixtures.nomad_standins import purge_all
from fixtures.power_cluster import power_cluster, running_power_agent, sleeping_service
from pipecatapp.power.config import NomadWake

ROOT = Path(__file__).parents[3]
CHECK = {"Name": "alive", "Type": "tcp", "Interval": SECOND, "Timeout": SECOND}
SERVER = """
import socket
server = socket.create_server(('127.0.0.1', int('$NOMAD_PORT_http')))
while True:
    server.accept()[0].close()
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with power_cluster(tmp_path_factory.mktemp("power")) as found:
        yield found


@pytest.fixture
def cluster(whole):
    yield whole
    purge_all(whole.nomad)


def start(cluster, *arguments):
    """Run the script; its exit code, lines and errors."""
    env = {**os.environ, "NOMAD_ADDR": cluster.nomad.url, "CONSUL_HTTP_ADDR": cluster.consul}
    env["EVOLVE_PYTHON"] = sys.executable
    done = subprocess.run(
        [ROOT / "start_services.sh", *arguments], env=env, capture_output=True, text=True, check=False, cwd="/"
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def service_job(cluster, name, needs="", *, works=True):
    """Register a job of one service, and stop it, as `nomad job stop` does."""
    group = {
        "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http"}]}],
        "Services": [{"Name": name, "PortLabel": "http", "Provider": "consul", "Checks": [CHECK]}],
    }
    command = f'exec {sys.executable} -c "{SERVER}"' if works else "sleep 3600"
    cluster.nomad.register(a_job(command, ID=name, group=group, Meta={"depends_on": needs}))
    cluster.nomad.write(f"/v1/job/{name}", {}, "DELETE")


def test_jobs_start_in_the_order_in_which_they_need_each_other_and_a_second_run_changes_nothing(cluster):
    service_job(cluster, "a-page", needs="b-api")
    service_job(cluster, "b-api", needs="c-store")
    service_job(cluster, "c-store")
    code, lines, errors = start(cluster, "--wait", "60")
    assert code == 0, (lines, errors)
    assert [line.partition(":")[0] for line in lines[:3]] == ["c-store", "b-api", "a-page"]
    assert lines[-1] == "3 of 3 are up"
    for name in ("a-page", "b-api", "c-store"):
        assert cluster.passing(name)
    index = {job["ID"]: job["JobModifyIndex"] for job in cluster.nomad.read("/v1/jobs")}
    code, lines, _ = start(cluster)
    assert code == 0
    assert sorted(lines[:3]) == ["a-page: up", "b-api: up", "c-store: up"]
    assert {job["ID"]: job["JobModifyIndex"] for job in cluster.nomad.read("/v1/jobs")} == index


def test_what_does_not_come_up_is_named_with_what_to_do(cluster):
    service_job(cluster, "broken", works=False)
    service_job(cluster, "needs-broken", needs="broken")
    service_job(cluster, "needs-stranger", needs="stranger")
    code, lines, errors = start(cluster, "--wait", "1.5")
    assert code == 1, errors
    text = "\n".join(lines)
    assert "broken: not up within 1.5 s: broken does not pass; check alive: " in text
    assert "  next: nomad job status broken" in lines
    assert f"  next: curl {cluster.consul}/v1/health/checks/broken" in lines
    assert "needs-broken: not started: it needs broken, which is not up" in lines
    assert "needs-stranger: not started: it needs stranger, which no job provides" in text
    assert lines[-1] == "0 of 3 are up"
    assert not cluster.nomad.live("needs-broken")


def test_a_circle_is_wrong_input(cluster):
    service_job(cluster, "one", needs="two")
    service_job(cluster, "two", needs="one")
    code, _, errors = start(cluster)
    assert code == 2
    assert "need each other in a circle: one -> two -> one" in errors or "two -> one -> two" in errors


def test_a_job_that_sleeps_is_left_asleep_where_an_activator_wakes_it(cluster):
    cluster.expert_job("expert-main")
    code, lines, _ = start(cluster, "--wait", "1")
    assert code == 1
    assert lines[:2] == [
        "expert-main: its count is 0, and no activator wakes it",
        "  next: nomad job scale expert-main 1",
    ]
    with running_power_agent(cluster.config(sleeping_service("expert-main"))):
        code, lines, _ = start(cluster, "--wait", "1")
    assert code == 0
    assert lines[0] == "expert-main: asleep: it wakes when somebody connects"
    assert cluster.count("expert-main") == 0


def test_a_job_of_which_only_one_group_sleeps_is_up(cluster):
    server = a_job(f'exec {sys.executable} -c "{SERVER}"', group={
        "Name": "page",
        "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http"}]}],
        "Services": [{"Name": "page", "PortLabel": "http", "Provider": "consul", "Checks": [CHECK]}],
    })  # fmt: skip
    (sleeper,) = a_job(group={"Name": "main", "Count": 0, "Services": [{"Name": "expert-main", "Provider": "consul"}]})[
        "TaskGroups"
    ]
    server["TaskGroups"].append(sleeper)
    cluster.nomad.register({**server, "ID": "both"})
    code, lines, _ = start(cluster, "--wait", "60")
    assert code == 1
    assert lines[:2] == [
        "both: its count is 0, and no activator wakes it",
        "  next: nomad job scale both main 1",
    ]
    with running_power_agent(cluster.config(sleeping_service("expert-main", nomad=NomadWake("both", "main")))):
        code, lines, _ = start(cluster, "--wait", "60")
    assert (code, lines[0].partition(" ")[0], lines[-1]) == (0, "both:", "1 of 1 are up"), lines
    assert cluster.passing("page")


def test_a_job_that_was_stopped_while_it_slept_may_be_woken_again(cluster):
    cluster.expert_job("expert-main")
    cluster.nomad.write("/v1/job/expert-main", {}, "DELETE")
    with running_power_agent(cluster.config(sleeping_service("expert-main"))):
        code, lines, _ = start(cluster, "--wait", "5")
    assert (code, lines[0]) == (0, "expert-main: asleep: it wakes when somebody connects")
    job = cluster.nomad.read("/v1/job/expert-main")
    assert (job["Stop"], job["TaskGroups"][0]["Count"]) == (False, 0)


def test_a_job_without_services_is_up_when_it_runs(cluster):
    cluster.nomad.register(a_job(ID="worker"))
    cluster.nomad.write("/v1/job/worker", {}, "DELETE")
    cluster.nomad.register(a_job("exit 1", ID="ends"))
    cluster.nomad.write("/v1/job/ends", {}, "DELETE")
    code, lines, _ = start(cluster, "--wait", "5")
    assert code == 1
    assert any(line.startswith("worker: up") for line in lines), lines
    assert cluster.nomad.live("worker")
    assert any(line.startswith("ends: not up within 5 s: none of its allocations runs") for line in lines), lines
    assert "  next: nomad job status ends" in lines


def test_home_assistant_is_no_job_and_is_waited_for_in_consul(cluster):
    service_job(cluster, "lights", needs="home-assistant")
    with socket.create_server(("127.0.0.1", 0)) as home:
        port = home.getsockname()[1]
        code, lines, errors = start(cluster, "--wait", "60", "--home-assistant", f"127.0.0.1:{port}")
    assert code == 0, (lines, errors)
    assert [line.partition(":")[0] for line in lines[:2]] == ["home-assistant", "lights"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--home-assistant", "nowhere"], 2, "expected HOST:PORT"),
        (["--inventory", "/nonexistent/hosts.yaml"], 2, "--inventory /nonexistent/hosts.yaml: no such file"),
        (["--inventory=/nonexistent.yaml", "--wait", "1"], 2, "--inventory /nonexistent.yaml: no such file"),
        (["--wait", "1", "--inventory"], 2, "--inventory needs a file"),
        (["--wait", "nan"], 2, "--wait: expected seconds from 0 up, got 'nan'"),
        (["--wait", "-1"], 2, "--wait: expected seconds from 0 up, got '-1'"),
        (["--wait", "soon"], 2, "--wait: expected seconds from 0 up, got 'soon'"),
    ],
)
def test_wrong_arguments_are_named(cluster, arguments, code, message):
    got, _, errors = start(cluster, *arguments)
    assert (got, message in errors) == (code, True), errors


def test_the_help_has_every_option(cluster):
    code, lines, _ = start(cluster, "--help")
    assert code == 0
    text = "\n".join(lines)
    assert all(option in text for option in ("--inventory FILE", "--wait SECONDS", "--home-assistant HOST:PORT"))


def test_a_cluster_that_does_not_answer_is_the_machines_fault(cluster):
    class Away:
        consul = cluster.consul

        class nomad:  # noqa: N801
            url = "http://127.0.0.1:1"

    code, _, errors = start(Away)
    assert code == 4
    assert "environment:" in errors
