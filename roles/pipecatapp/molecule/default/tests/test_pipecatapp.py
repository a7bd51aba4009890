"""The agent answers with its keys and over TLS, Consul lists it, and it can do nothing else on its host."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from testinfra.host import Host

UNIT = "pipecat-app"
USER = "pipecatapp"
ETC = "/etc/pipecatapp"
STATE = "/var/lib/pipecatapp"
CACHE = "/var/cache/pipecatapp"
LOG = "/var/log/pipecatapp"
PAGE = "https://localhost:8002"
KEY = "sk-scenario-alice"
GATEWAY_KEY = "sk-scenario-gateway"
SECRETS = (KEY, GATEWAY_KEY, "a key with ' and % and $HOME", "token-of-the-house")
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
    found = host.run("python3 -c %s %s %s %s", CALL, path if "://" in path else f"{PAGE}{path}", key, body)
    status, _, text = str(found.stdout).partition(" ")
    return Answer(int(status or 0), text.strip())


def turn(host: Host, text: str, key: str = GATEWAY_KEY) -> Answer:
    """One turn, as the gateway asks for it."""
    request = {"messages": [{"role": "user", "content": text}]}
    asked = {"response_queue_id": "q", "key_name": "alice", "request": request}
    return call(host, "/v1/turns", key, json.dumps(asked))


def rows(host: Host) -> dict[str, str]:
    """The table of components: their states."""
    found = call(host, "/api/status", KEY)
    return {row["component"]: row["state"] for row in found.json()["rows"]} if found.status == 200 else {}


def wait_until_it_answers(host: Host) -> None:
    wait_for("it has its model", lambda: "you said" in turn(host, "hello").body)


def passing(host: Host) -> Any:
    return call(host, f"http://127.0.0.1:8500/v1/health/service/{UNIT}?passing=true").json()


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
    wait_for("it lives", lambda: call(host, "/health/live").status == 200)


def test_its_page_is_there(host: Host) -> None:
    wait_for("it lives", lambda: call(host, "/health/live").status == 200)
    assert "<html" in call(host, "/").body


def test_without_a_key_nothing_is_shown(host: Host) -> None:
    wait_for("it lives", lambda: call(host, "/health/live").status == 200)
    for key in ("", "sk-scenario-mallory"):
        assert call(host, "/api/status", key).status == 401
        assert turn(host, "hello", key).status == 401


def test_a_turn_of_the_gateway_is_answered_by_the_expert_in_consul(host: Host) -> None:
    wait_until_it_answers(host)
    assert "you said: good morning" in turn(host, "good morning").body


def test_its_table_shows_the_cluster(host: Host) -> None:
    wait_until_it_answers(host)
    wait_for("it shows the expert", lambda: rows(host).get("expert-main") == "ok")


def test_consul_lists_it_as_passing(host: Host) -> None:
    wait_for("it passes", lambda: passing(host))
    (found,) = passing(host)
    # It listens on all addresses, so that others reach it at that of the node.
    assert (found["Service"]["Address"], found["Service"]["Port"]) == ("", 8002)
    # Where Prometheus finds its metrics.
    assert found["Service"]["Meta"]["metrics"] == "127.0.0.1:9102"


def test_its_metrics_are_for_this_host_only(host: Host) -> None:
    assert "pipecatapp_turns_total" in call(host, "http://127.0.0.1:9102/metrics").body
    assert not host.socket("tcp://0.0.0.0:9102").is_listening


def test_a_killed_agent_comes_back_and_remembers(host: Host) -> None:
    wait_until_it_answers(host)
    before = pid(host)
    host.check_output(f"kill -9 {before}")
    wait_for("a new process", lambda: pid(host) not in ("0", before))
    wait_until_it_answers(host)
    assert host.file(f"{STATE}/memory.sqlite").exists


def test_a_new_key_is_taken_over_by_the_running_agent(host: Host) -> None:
    before, kept = pid(host), host.file(f"{ETC}/keys").content_string
    made = host.check_output("pipecatapp key carol").splitlines()
    key, line = (text.split(": ", 1)[1].strip() for text in made)
    try:
        host.check_output(f"echo %s >> {ETC}/keys", line)
        wait_for("the new key works", lambda: call(host, "/api/status", key).status == 200)
        assert pid(host) == before
    finally:
        host.check_output(f"printf %%s %s > {ETC}/keys", kept)


def test_it_has_no_privileges_and_cannot_get_any(host: Host) -> None:
    found = fields(host)
    assert found["Uid"].split()[0] == host.check_output(f"id -u {USER}")
    assert found["NoNewPrivs"] == "1"
    assert int(found["CapBnd"], 16) == 0
    assert found["Seccomp"] == "2"
    assert host.user(USER).shell == "/usr/sbin/nologin"


def test_it_can_write_to_its_own_folders_only(host: Host) -> None:
    mounts = [line.split() for line in host.check_output(f"cat /proc/{pid(host)}/mountinfo").splitlines()]
    writable = {fields[4]: fields[3] for fields in mounts if fields[5].split(",")[0] == "rw"}
    files = {path for path in writable if not path.startswith(("/dev", "/proc", "/run", "/sys"))}
    assert files == {"/tmp", "/var/tmp", STATE, CACHE, LOG}
    assert "systemd-private" in writable["/tmp"], "its /tmp is its own"


def test_systemd_rates_the_unit_as_closed(host: Host) -> None:
    rated = host.run(f"systemd-analyze security --no-pager --threshold=20 {UNIT}")
    assert rated.succeeded, rated.stdout


def test_its_files_are_closed_to_others(host: Host) -> None:
    for folder in (STATE, LOG):
        assert (host.file(folder).user, host.file(folder).mode) == (USER, 0o700)
    for name in ("agent.yaml", "keys", "model.key", "secrets/ha.token", "start_pipecat.sh", "tls.pem", "tls.key"):
        file = host.file(f"{ETC}/{name}")
        assert (file.user, file.group, file.mode) == ("root", USER, 0o640), name


def test_its_log_is_also_in_a_file_of_its_own(host: Host) -> None:
    file = host.file(f"{LOG}/pipecatapp.log")
    assert (file.user, file.mode) == (USER, 0o600)


def test_no_secret_is_shown(host: Host) -> None:
    wait_until_it_answers(host)
    shown = [
        host.check_output(f"tr '\\0' ' ' < /proc/{pid(host)}/cmdline"),
        host.check_output(f"tr '\\0' ' ' < /proc/{pid(host)}/environ"),
        host.check_output(f"systemctl show {UNIT}"),
        host.check_output(f"journalctl -u {UNIT} --no-pager"),
        host.check_output(f"cat {LOG}/pipecatapp.log"),
        host.file(f"{ETC}/agent.yaml").content_string,
        host.file(f"{ETC}/keys").content_string,
        call(host, "http://127.0.0.1:9102/metrics").body,
    ]
    assert not [(text, secret) for text in shown for secret in SECRETS if secret in text]


def test_everything_installed_has_the_version_it_was_tried_with(host: Host) -> None:
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid(host)}/cmdline | head -1")
    folder = program.rsplit("/bin/", 1)[0]
    locked = set(host.file(f"{folder}/constraints.txt").content_string.splitlines())
    frozen = host.check_output(f"{program} -m pip list --format freeze").splitlines()
    installed = {line.lower().replace("_", "-") for line in frozen}
    others = {"anneal-harness", "pip", "setuptools"}
    assert {line for line in installed - locked if line.partition("==")[0] not in others} == set()


def test_the_command_names_a_mistake_with_its_line(host: Host) -> None:
    host.check_output("printf 'listen: 127.0.0.1:8002\\nmodle: {}\\n' > /tmp/agent.yaml")
    refused = host.run("cd /tmp && pipecatapp check agent.yaml")
    assert refused.rc == 2
    assert "agent.yaml:2" in refused.stderr
