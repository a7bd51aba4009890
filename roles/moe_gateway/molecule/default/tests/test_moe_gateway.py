"""The gateway answers with its key and over TLS, Consul lists it, and it can do nothing else on its host."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from testinfra.host import Host

UNIT = "moe-gateway"
ETC = "/etc/moe-gateway"
STATE = "/var/lib/moe-gateway"
CACHE = "/var/cache/moe-gateway"
API = "https://127.0.0.1:8001"
KEY = "sk-scenario-alice"
EXPERT_KEY = "a key with ' and % and $HOME"
CALL = """
import json, ssl, sys, urllib.error, urllib.request
url, key, body = sys.argv[1:4]
headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + key} if key else {})}
asked = urllib.request.Request(url, body.encode() or None, headers)
trusted = ssl.create_default_context(cafile="/etc/ssl/scenario.pem")
try:
    with urllib.request.urlopen(asked, timeout=20, context=trusted) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""
WAIT_S = 60


class Answer(NamedTuple):
    status: int
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def wait_for(what: str, met: Callable[[], object]) -> None:
    """Returns as soon as `met` says yes; fails with the last answer after `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    while not (answer := met()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S} s, last answer {answer!r}"
        time.sleep(0.3)


def call(host: Host, path: str, key: str = "", body: str = "") -> Answer:
    """The answer; status 0 where nobody listens."""
    found = host.run("python3 -c %s %s %s %s", CALL, path if "://" in path else f"{API}{path}", key, body)
    status, _, text = str(found.stdout).partition(" ")
    return Answer(int(status or 0), text.strip())


def wait_until_ready(host: Host) -> None:
    wait_for("an expert passes", lambda: call(host, "/health/ready").status == 200)


def chat(host: Host, text: str) -> Answer:
    asked = {"model": "expert-main", "messages": [{"role": "user", "content": text}]}
    return call(host, "/v1/chat/completions", KEY, json.dumps(asked))


def passing(host: Host) -> Any:
    return call(host, "http://127.0.0.1:8500/v1/health/service/moe-gateway?passing=true").json()


def pid(host: Host) -> str:
    return str(host.check_output(f"systemctl show --value -p MainPID {UNIT}"))


def fields(host: Host) -> dict[str, str]:
    """What the kernel says about the process."""
    status = host.check_output(f"cat /proc/{pid(host)}/status")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in status.splitlines())}


def test_it_runs_now_and_after_the_next_boot(host: Host) -> None:
    assert host.service(UNIT).is_enabled
    assert host.service(UNIT).is_running


def test_it_says_over_tls_that_it_lives(host: Host) -> None:
    wait_for("it lives", lambda: call(host, "/health/live") == (200, '{"alive":true}'))


def test_without_a_key_nothing_is_shown(host: Host) -> None:
    for key in ("", "sk-scenario-mallory"):
        refused = call(host, "/v1/models", key)
        assert refused.status == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"


def test_a_key_sees_the_experts_that_it_may_ask(host: Host) -> None:
    wait_until_ready(host)
    assert [model["id"] for model in call(host, "/v1/models", KEY).json()["data"]] == ["expert-main"]


def test_a_request_is_answered_by_the_expert(host: Host) -> None:
    wait_until_ready(host)
    answered = chat(host, "hello")
    assert answered.status == 200, answered
    assert answered.json()["choices"][0]["message"]["content"] == "you said: hello"


def test_the_expert_is_asked_through_its_proxy_in_the_mesh(host: Host) -> None:
    wait_until_ready(host)
    assert "mesh_service: moe-gateway" in host.file(f"{ETC}/gateway.yaml").content_string
    host.check_output("systemctl stop expert-mesh")
    try:
        # The expert's own port takes connections as before.
        refused = chat(host, "hello")
        assert (refused.status, refused.json()["error"]["code"]) == (503, "expert_unavailable")
    finally:
        host.check_output("systemctl start expert-mesh")
    wait_for("it answers again", lambda: chat(host, "hello").status == 200)


def test_consul_lists_it_as_passing(host: Host) -> None:
    wait_for("it passes", lambda: passing(host))
    (found,) = passing(host)
    # It listens on all addresses, so that others reach it at that of the node.
    assert (found["Service"]["Address"], found["Service"]["Port"]) == ("", 8001)
    # Where Prometheus finds its metrics.
    assert found["Service"]["Meta"]["metrics"] == "127.0.0.1:9101"


def test_its_metrics_are_for_this_host_only(host: Host) -> None:
    assert "moe_gateway_requests_total" in call(host, "http://127.0.0.1:9101/metrics").body
    assert not host.socket("tcp://0.0.0.0:9101").is_listening


def test_a_killed_gateway_comes_back(host: Host) -> None:
    before = pid(host)
    host.check_output(f"kill -9 {before}")
    wait_for("a new process", lambda: pid(host) not in ("0", before))
    wait_until_ready(host)


def test_a_new_key_is_taken_over_by_the_running_gateway(host: Host) -> None:
    before, kept = pid(host), host.file(f"{ETC}/keys").content_string
    made = host.check_output("moe-gateway key carol").splitlines()
    key, line = (text.split(": ", 1)[1].strip() for text in made)
    try:
        host.check_output(f"echo %s >> {ETC}/keys", line)
        wait_for("the new key works", lambda: call(host, "/v1/models", key).status == 200)
        assert pid(host) == before
    finally:
        host.check_output(f"printf %%s %s > {ETC}/keys", kept)


def test_it_has_no_privileges_and_cannot_get_any(host: Host) -> None:
    found = fields(host)
    assert found["Uid"].split()[0] == host.check_output(f"id -u {UNIT}")
    assert found["NoNewPrivs"] == "1"
    assert int(found["CapBnd"], 16) == 0
    assert found["Seccomp"] == "2"
    assert host.user(UNIT).shell == "/usr/sbin/nologin"


def test_it_can_write_to_its_own_folders_only(host: Host) -> None:
    mounts = [line.split() for line in host.check_output(f"cat /proc/{pid(host)}/mountinfo").splitlines()]
    writable = {fields[4]: fields[3] for fields in mounts if fields[5].split(",")[0] == "rw"}
    files = {path for path in writable if not path.startswith(("/dev", "/proc", "/run", "/sys"))}
    assert files == {"/tmp", "/var/tmp", STATE, CACHE}
    assert "systemd-private" in writable["/tmp"], "its /tmp is its own"


def test_systemd_rates_the_unit_as_closed(host: Host) -> None:
    rated = host.run(f"systemd-analyze security --no-pager --threshold=20 {UNIT}")
    assert rated.succeeded, rated.stdout


def test_its_files_are_closed_to_others(host: Host) -> None:
    assert (host.file(STATE).user, host.file(STATE).mode) == (UNIT, 0o700)
    for name in ("gateway.yaml", "keys", "expert.key", "tls.pem", "tls.key"):
        file = host.file(f"{ETC}/{name}")
        assert (file.user, file.group, file.mode) == ("root", UNIT, 0o640), name


def test_no_secret_is_shown(host: Host) -> None:
    shown = [
        host.check_output(f"tr '\\0' ' ' < /proc/{pid(host)}/cmdline"),
        host.check_output(f"tr '\\0' ' ' < /proc/{pid(host)}/environ"),
        host.check_output(f"systemctl show {UNIT}"),
        host.check_output(f"journalctl -u {UNIT} --no-pager"),
        host.file(f"{ETC}/gateway.yaml").content_string,
    ]
    assert not [text for text in shown if EXPERT_KEY in text or KEY in text]


def test_everything_installed_has_the_version_it_was_tried_with(host: Host) -> None:
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid(host)}/cmdline | head -1")
    folder = program.rsplit("/bin/", 1)[0]
    locked = set(host.file(f"{folder}/constraints.txt").content_string.splitlines())
    frozen = host.check_output(f"{program} -m pip list --format freeze").splitlines()
    installed = {line.lower().replace("_", "-") for line in frozen}
    others = {"anneal-harness", "pip", "setuptools"}
    assert {line for line in installed - locked if line.partition("==")[0] not in others} == set()


def test_the_command_names_a_mistake_with_its_line(host: Host) -> None:
    host.check_output("printf 'listen: 127.0.0.1:8001\\nexpert: {}\\n' > /tmp/gateway.yaml")
    refused = host.run("moe-gateway check /tmp/gateway.yaml")
    assert refused.rc == 2
    assert "/tmp/gateway.yaml:2" in refused.stderr
