"""Home Assistant answers its API, runs unprivileged, and starts when the broker answers and not before."""

import time
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

URL = "http://127.0.0.1:8123"
DEADLINE_S = 300
_GET = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer no-token-of-ours"})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""
_NO_BROKER = """
import socket
server = socket.create_server(("127.0.0.1", 1883))
while True:
    client, _ = server.accept()
    with client:
        client.recv(64)
        client.sendall(b"HTTP/1.1 400 Bad Request")
"""


def _status(host: Host, path: str) -> int:
    """The status of an answer; 0 when nobody answers."""
    return int(host.check_output(f"python3 -c '{_GET}' {URL}{path}"))


def _until(is_so: Callable[[], bool], what: str) -> None:
    last = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < last, f"{what} did not come within {DEADLINE_S} s"
        time.sleep(0.5)


def _properties(host: Host) -> dict[str, str]:
    shown = host.check_output("systemctl show home-assistant -p ActiveState,SubState,InvocationID,MainPID")
    return dict(line.split("=", 1) for line in shown.splitlines())


def _journal(host: Host) -> str:
    """Return the journal of the current start."""
    invocation = _properties(host)["InvocationID"]
    return host.check_output(f"journalctl _SYSTEMD_INVOCATION_ID={invocation} --no-pager -o cat")


def test_the_api_answers_and_asks_for_a_token(host: Host) -> None:
    assert host.service("home-assistant").is_enabled
    assert _status(host, "/api/") == 401


def test_it_is_up_with_all_it_sets_up_and_not_in_recovery_mode(host: Host) -> None:
    _until(lambda: _status(host, "/manifest.json") == 200, "the frontend")
    said = _journal(host)
    assert "recovery mode" not in said.lower()
    assert " ERROR " not in said


def test_the_first_user_can_be_made_in_a_browser(host: Host) -> None:
    assert _status(host, "/onboarding.html") == 200
    assert _status(host, "/api/onboarding") == 200


def test_the_configured_version_runs(host: Host) -> None:
    pid = _properties(host)["MainPID"]
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/cmdline | head -1")
    version = host.check_output(f"{program} -c 'import homeassistant.const as c; print(c.__version__)'")
    assert f"/{version}-py" in program


def test_home_assistant_is_no_root_and_may_not_become_it(host: Host) -> None:
    pid = _properties(host)["MainPID"]
    status = host.check_output(f"cat /proc/{pid}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split()[0] == host.check_output("id -u home-assistant")
    assert fields["NoNewPrivs"].strip() == "1"
    assert int(fields["CapBnd"], 16) == 0


def test_home_assistant_cannot_write_its_own_program(host: Host) -> None:
    pid = _properties(host)["MainPID"]
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/cmdline | head -1")
    folder = program.rsplit("/bin/", 1)[0]
    writable = host.run(f"find {folder} '(' -user home-assistant -o -perm /022 ')' ! -type l -print -quit")
    assert writable.stdout == ""


@pytest.fixture
def stopped_broker(host: Host) -> Iterator[None]:
    """Neither the broker nor Home Assistant runs; both do afterwards."""
    host.check_output("systemctl stop home-assistant mosquitto")
    yield
    host.check_output("systemctl start mosquitto")
    host.check_output("systemctl start --no-block home-assistant")
    _until(lambda: _status(host, "/api/") == 401, "the API")


@pytest.mark.usefixtures("stopped_broker")
def test_home_assistant_waits_for_the_broker(host: Host) -> None:
    host.check_output("systemctl start --no-block home-assistant")
    _until(lambda: "waiting for the MQTT broker" in _journal(host), "the word that it waits")
    waiting = _properties(host)
    assert (waiting["ActiveState"], waiting["SubState"], waiting["MainPID"]) == ("activating", "start-pre", "0")
    assert _status(host, "/api/") == 0

    host.check_output("systemctl start mosquitto")
    _until(lambda: _status(host, "/api/") == 401, "the API")
    assert _properties(host)["InvocationID"] == waiting["InvocationID"], "the same start went on"
    assert "the MQTT broker at 127.0.0.1:1883 answers" in _journal(host)


@pytest.mark.usefixtures("stopped_broker")
def test_a_port_that_speaks_no_mqtt_is_no_broker(host: Host) -> None:
    host.check_output(f"systemd-run --unit=no-broker python3 -c '{_NO_BROKER}'")
    try:
        _until(lambda: host.socket("tcp://127.0.0.1:1883").is_listening, "the listener")
        host.check_output("systemctl start --no-block home-assistant")
        _until(lambda: "it is no MQTT broker" in _journal(host), "the word that it is no broker")
        assert _properties(host)["ActiveState"] == "activating"
    finally:
        host.check_output("systemctl stop no-broker home-assistant")


def test_what_home_assistant_stores_is_closed_to_others(host: Host) -> None:
    assert host.file("/var/lib/home-assistant").mode == 0o750
    secrets = host.file("/var/lib/home-assistant/.storage/auth")
    assert secrets.user == "home-assistant"
    answer = host.run("setpriv --reuid=nobody --regid=nogroup --clear-groups cat %s", secrets.path)
    assert "Permission denied" in answer.stderr
