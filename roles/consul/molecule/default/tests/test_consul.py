"""Three agents are one cluster: they agree, outlive the loss of one, and their mesh lets through what is allowed."""

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

INVENTORY = AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"])
WAIT_S = 120
ECHO_PORT, UPSTREAM_PORT = 19190, 19191


def wait_for(what: str, met: Callable[[], object]) -> None:
    """Returns as soon as `met` says yes; fails with the last answer after `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    while not (answer := met()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S} s, last answer {answer!r}"
        time.sleep(0.5)


def ask(host: Host, path: str) -> Any:
    """The API's answer as JSON; None while there is none."""
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8500{path}', timeout=5).read().decode())"
    answer = host.run("python3 -c %s", code)
    return json.loads(answer.stdout) if answer.rc == 0 else None


@cache
def agents() -> dict[str, Host]:
    """Every host of the scenario by its name."""
    return {name: INVENTORY.get_host(name) for name in INVENTORY.get_hosts("all")}


def alive(host: Host) -> set[str]:
    """Names of the members that a host sees alive."""
    members = ask(host, "/v1/agent/members")
    return {member["Name"] for member in members or [] if member["Status"] == 1}


def can_lose_one(host: Host) -> bool:
    """Whether each server has its vote; one that came back gets it when it was stable for some seconds."""
    health = ask(host, "/v1/operator/autopilot/health")
    return health is not None and len(health["Servers"]) == len(agents()) and health["FailureTolerance"] >= 1


def others(host: Host) -> dict[str, Host]:
    name = host.backend.get_hostname()
    return {key: value for key, value in agents().items() if key != name}


def test_the_agent_is_a_service_of_its_own_user(host: Host) -> None:
    service = host.service("consul")
    assert service.is_running
    assert service.is_enabled
    assert host.run("ps -C consul -o user=").stdout.split() == ["consul"]
    assert host.file("/etc/consul.d/consul.json").mode == 0o640


def test_every_member_is_alive_and_one_of_them_leads(host: Host) -> None:
    wait_for("all members alive", lambda: alive(host) == set(agents()))
    wait_for("a leader", lambda: ask(host, "/v1/status/leader"))
    assert len(ask(host, "/v1/status/peers")) == len(agents())


def test_a_value_written_here_is_read_elsewhere(host: Host) -> None:
    name = host.backend.get_hostname()
    host.check_output("consul kv put scenario/%s %s", name, f"from {name}")
    for other in others(host).values():
        assert other.check_output("consul kv get scenario/%s", name) == f"from {name}"


def test_the_cluster_outlives_this_agent_and_takes_it_back(host: Host) -> None:
    name = host.backend.get_hostname()
    rest = others(host)
    wait_for("a majority without this agent", lambda: can_lose_one(host))
    host.check_output("systemctl stop consul")
    try:
        for other in rest.values():
            wait_for(
                "a leader among the rest", lambda other=other: other.run("consul kv put scenario/loss %s", name).rc == 0
            )
            wait_for("the loss is noticed", lambda other=other: name not in alive(other))
    finally:
        host.check_output("systemctl start consul")
    wait_for("the agent is back", lambda: alive(host) == set(agents()))
    wait_for("it has what it missed", lambda: host.run("consul kv get -stale scenario/loss").stdout.strip() == name)


def test_an_agent_that_is_killed_comes_back_by_itself(host: Host) -> None:
    before = host.check_output("systemctl show --value -p MainPID consul")
    host.check_output("kill -9 %s", before)
    wait_for("a new process", lambda: host.service("consul").systemd_properties.get("MainPID") not in ("0", before))
    wait_for("a leader", lambda: ask(host, "/v1/status/leader"))


@pytest.fixture
def mesh(host: Host) -> Iterator[Host]:
    """A service `web` with its sidecar here, and a proxy of the service `client` on another host, which is given."""
    client = next(iter(others(host).values()))
    web = {"service": {"name": "web", "port": ECHO_PORT, "connect": {"sidecar_service": {}}}}
    proxies = {
        (host, "mesh-web"): f"python3 -m http.server {ECHO_PORT} --bind 127.0.0.1 --directory /etc/apt",
        (host, "mesh-sidecar"): "consul connect proxy -sidecar-for web",
        (client, "mesh-client"): f"consul connect proxy -service client -upstream web:{UPSTREAM_PORT}",
    }
    host.check_output("echo %s > /tmp/web.json", json.dumps(web))
    host.check_output("consul services register /tmp/web.json")
    for (where, unit), command in proxies.items():
        where.check_output(f"systemd-run --collect --unit={unit} {command}")
    yield client
    for where, unit in proxies:
        where.run(f"systemctl stop {unit}")
    host.check_output("consul services deregister /tmp/web.json")
    host.run("consul intention delete client web")


def fetched(client: Host) -> bool:
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{UPSTREAM_PORT}/', timeout=5)"
    return client.run("python3 -c %s", code).rc == 0


def test_the_mesh_carries_traffic_until_an_intention_denies_it(host: Host, mesh: Host) -> None:
    assert ask(host, "/v1/connect/ca/configuration")["Provider"] == "consul"
    wait_for("traffic through the mesh", lambda: fetched(mesh))
    mesh.check_output("consul intention create -deny client web")
    wait_for("the denial", lambda: not fetched(mesh))
