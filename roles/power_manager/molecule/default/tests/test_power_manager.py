"""Magic packets really reach the other host, and what was collected about it is true."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

INVENTORY = Path(os.environ["MOLECULE_INVENTORY_FILE"])
DEADLINE_S = 60
STRANGER = "02:00:5e:10:00:01"
AWAKE_PORT = 2222
_LISTENER = """
import pathlib, socket
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("", 9))
print("listening", flush=True)
is_awake = None
while True:
    packet, sender = heard.recvfrom(2048)
    print("heard", sender[0], packet.hex(), flush=True)
    if pathlib.Path("/run/wake-up").exists() and not is_awake:
        is_awake = socket.create_server(("", 2222))
"""

_ASK = """python3 -c '
import socket
with socket.create_connection(("127.0.0.1", {port}), timeout=60) as asked:
    asked.sendall(b"GET {path} HTTP/1.0\\r\\nhost: x\\r\\n\\r\\n")
    while part := asked.recv(65536):
        print(part.decode(), end="")
'"""
"""Prints a whole answer; minbase has no curl."""


def _magic_packet(mac: str) -> str:
    """Six bytes of ones, then the address sixteen times, in hexadecimal."""
    return "ff" * 6 + mac.replace(":", "") * 16


def _until(is_so: Callable[[], bool], what: str) -> None:
    last = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < last, f"{what} did not come within {DEADLINE_S} s"
        time.sleep(0.2)


def _mac(host: Host) -> str:
    """The address of the interface of the default route, as the kernel says it."""
    interface = re.search(r"\bdev (\S+)", host.check_output("ip -4 route show default"))
    assert interface is not None
    return host.file(f"/sys/class/net/{interface[1]}/address").content_string.strip()


@pytest.fixture
def other(host: Host) -> tuple[str, Host]:
    """Name and host of the other platform."""
    runner = AnsibleRunner.get_runner(str(INVENTORY))
    name = next(name for name in runner.get_hosts("all") if name != host.check_output("hostname"))
    return name, runner.get_host(name)


@pytest.fixture
def listener(other: tuple[str, Host]) -> Iterator[Host]:
    """The other host, on which a program writes each datagram to the journal; /run/wake-up lets it wake."""
    _, node = other
    node.check_output(f"systemd-run --unit=wol-listener python3 -c '{_LISTENER}'")
    _until(lambda: "listening" in _heard(node), "the listener")
    yield node
    node.check_output("systemctl stop wol-listener; rm -f /run/wake-up")


def _heard(node: Host) -> str:
    """What this start of the listener wrote."""
    return node.check_output(
        "journalctl --no-pager -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show --value -p InvocationID wol-listener)"
    )


def test_the_node_hears_a_magic_packet_with_its_own_address(
    host: Host, other: tuple[str, Host], listener: Host
) -> None:
    name, node = other
    host.check_output(f"power-manager wake {name}")
    _until(lambda: "heard" in _heard(listener), "the magic packet")
    sender, packet = re.findall(r"heard (\S+) (\S+)", _heard(listener))[0]
    assert packet == _magic_packet(_mac(node))
    assert sender in host.check_output("hostname -I").split()


def test_an_unprivileged_user_may_wake(host: Host, other: tuple[str, Host], listener: Host) -> None:
    host.check_output(f"setpriv --reuid=nobody --regid=nogroup --clear-groups power-manager wake {other[0]}")
    _until(lambda: _magic_packet(_mac(other[1])) in _heard(listener), "the magic packet")


def test_the_hardened_unit_of_the_timer_sends_too(host: Host, listener: Host) -> None:
    host.check_output("systemctl start power-manager-wake.service")
    _until(lambda: _magic_packet(STRANGER) in _heard(listener), "the magic packet of the timer's node")


def test_waiting_ends_when_the_sleeping_node_has_woken(host: Host, other: tuple[str, Host], listener: Host) -> None:
    listener.check_output("touch /run/wake-up")
    assert not listener.socket(f"tcp://{AWAKE_PORT}").is_listening
    answer = host.run(f"power-manager wake {other[0]} --wait 30")
    assert answer.succeeded, answer.stderr
    assert _magic_packet(_mac(other[1])) in _heard(listener)


def test_a_node_that_never_answers_is_named(host: Host) -> None:
    answer = host.run("power-manager wake stranger --wait 1")
    assert answer.rc == 1
    assert "stranger" in answer.stderr


def test_an_unknown_node_is_refused_with_the_known_ones(host: Host, other: tuple[str, Host]) -> None:
    answer = host.run("power-manager wake nobody-we-know")
    assert answer.rc == 1
    assert "unknown: nobody-we-know" in answer.stderr
    assert other[0] in answer.stderr


def test_the_controller_has_the_address_of_each_host(host: Host, other: tuple[str, Host]) -> None:
    name, node = other
    for known, machine in ((host.check_output("hostname"), host), (name, node)):
        path = INVENTORY.parent / "collected_host_vars" / f"{known}.yaml"
        assert yaml.safe_load(path.read_text("utf-8"))["power_manager_mac"] == _mac(machine)


def test_the_timer_waits_for_its_time(host: Host) -> None:
    assert host.service("power-manager-wake.timer").is_enabled
    shown = host.check_output("systemctl show power-manager-wake.timer -p ActiveState,SubState,TimersCalendar")
    assert "SubState=waiting" in shown
    assert "03:30:00" in shown


@pytest.fixture
def agent(host: Host) -> str:
    """Name of the agent's unit, on the host that has it."""
    if not host.file("/etc/power-agent").exists:
        assert "power-node" in host.check_output("hostname") or host.system_info.codename == "bullseye"
        pytest.skip("this host has no agent")
    return "power-agent"


def test_the_agent_runs_and_shows_metrics(host: Host, agent: str) -> None:
    assert host.service(agent).is_enabled
    assert host.service(agent).is_running
    metrics = host.check_output(_ASK.format(port=9102, path="/metrics"))
    assert 'power_agent_phase{phase="asleep",service="expert-far"} 1.0' in metrics


def test_a_connection_to_the_agent_sends_the_magic_packet_and_gets_a_503_in_the_end(
    host: Host, listener: Host, agent: str
) -> None:
    answer = host.check_output(_ASK.format(port=8180, path="/"))
    assert _magic_packet(STRANGER) in _heard(listener)
    assert "503" in answer
    assert "retry-after: 5" in answer


def test_the_agents_secret_is_its_own(host: Host, agent: str) -> None:
    secret = host.file("/etc/power-agent/consul.token")
    assert (secret.user, secret.group, secret.mode) == ("root", agent, 0o640)
    assert secret.content_string == "a token with ' and % and $HOME\n"
    assert host.file("/etc/power-agent").mode == 0o750
    assert host.check_output("systemctl show -p User --value power-agent") == agent
