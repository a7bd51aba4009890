"""The supervisor lives without a cluster and reports it, hides its tokens, and can do nothing else on its host."""

import re
import time
from collections.abc import Callable

from testinfra.host import Host

UNIT = "anneal-supervisor"
STATE = "/var/lib/anneal-supervisor"
CACHE = "/var/cache/anneal-supervisor"
TOKEN = "a token with ' and % and $HOME"
METRICS = "http://127.0.0.1:9469/metrics"
READ = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
WAIT_S = 60


def wait_for(what: str, met: Callable[[], object]) -> None:
    """Returns as soon as `met` says yes; fails with the last answer after `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    while not (answer := met()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S} s, last answer {answer!r}"
        time.sleep(0.3)


def metrics(host: Host) -> str:
    """The metrics; empty while nobody answers."""
    return str(host.run("python3 -c %s %s", READ, METRICS).stdout)


def pid(host: Host) -> str:
    return str(host.check_output(f"systemctl show --value -p MainPID {UNIT}"))


def fields(host: Host) -> dict[str, str]:
    """What the kernel says about the process."""
    status = host.check_output(f"cat /proc/{pid(host)}/status")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in status.splitlines())}


def journal(host: Host) -> str:
    """The journal of the current start."""
    invocation = host.check_output(f"systemctl show --value -p InvocationID {UNIT}")
    return str(host.check_output(f"journalctl _SYSTEMD_INVOCATION_ID={invocation} --no-pager -o cat"))


def test_it_runs_now_and_after_the_next_boot(host: Host) -> None:
    assert host.service(UNIT).is_enabled
    assert host.service(UNIT).is_running


def test_without_a_cluster_it_lives_and_says_that_nothing_answers(host: Host) -> None:
    fault = re.compile(r"^anneal_supervisor_cluster_faults_total\{[^}]*\} [1-9]", re.MULTILINE)
    wait_for("a fault of the cluster", lambda: fault.search(metrics(host)))
    assert "127.0.0.1:4646" in journal(host)
    assert host.check_output(f"systemctl show --value -p NRestarts {UNIT}") == "0"


def test_its_metrics_are_for_this_host_only(host: Host) -> None:
    wait_for("the metrics", lambda: "anneal_supervisor_leader 0" in metrics(host))
    assert host.socket("tcp://127.0.0.1:9469").is_listening
    assert not host.socket("tcp://0.0.0.0:9469").is_listening


def test_a_killed_supervisor_comes_back(host: Host) -> None:
    before = pid(host)
    host.check_output(f"kill -9 {before}")
    wait_for("a new process", lambda: pid(host) not in ("0", before))
    wait_for("the metrics", lambda: metrics(host))


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


def test_its_state_is_closed_to_others(host: Host) -> None:
    assert (host.file(STATE).user, host.file(STATE).mode) == (UNIT, 0o700)
    for name in ("environment", "secrets", "policy.yaml"):
        file = host.file(f"/etc/anneal-supervisor/{name}")
        assert (file.user, file.group, file.mode) == ("root", UNIT, 0o640), name


def test_the_program_gets_its_token_and_nobody_else_sees_it(host: Host) -> None:
    environment = host.check_output(f"tr '\\0' '\\n' < /proc/{pid(host)}/environ").splitlines()
    assert f"NOMAD_TOKEN={TOKEN}" in environment
    assert "NOMAD_ADDR=http://127.0.0.1:4646" in environment
    shown = [
        host.check_output(f"tr '\\0' ' ' < /proc/{pid(host)}/cmdline"),
        host.check_output(f"systemctl cat {UNIT}"),
        host.check_output(f"systemctl show {UNIT}"),
        host.check_output(f"journalctl -u {UNIT} --no-pager"),
    ]
    assert not [text for text in shown if "a token with" in text]


def test_everything_installed_has_the_version_it_was_tried_with(host: Host) -> None:
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid(host)}/cmdline | head -1")
    folder = program.rsplit("/bin/", 1)[0]
    locked = set(host.file(f"{folder}/constraints.txt").content_string.splitlines())
    frozen = host.check_output(f"{program} -m pip list --format freeze").splitlines()
    installed = {line.lower().replace("_", "-") for line in frozen}
    others = {"anneal-harness", "pip", "setuptools"}
    assert {line for line in installed - locked if line.partition("==")[0] not in others} == set()


def test_people_use_the_supervisors_own_state(host: Host) -> None:
    shown = host.run("anneal-supervisor incidents")
    assert shown.succeeded, shown.stderr
    assert host.run(f"find {STATE} {CACHE} ! -user {UNIT}").stdout == ""


def test_a_wrong_policy_is_refused_with_its_line(host: Host) -> None:
    program = host.check_output(f"tr '\\0' '\\n' < /proc/{pid(host)}/cmdline | head -1")
    folder = program.rsplit("/bin/", 1)[0]
    host.check_output("printf 'jobs:\\n  - {job: web, actions: [reboot]}\\n' > /tmp/policy.yaml")
    refused = host.run(f"{program} -B {folder}/check_policy.py /tmp/policy.yaml")
    assert refused.rc == 2
    assert "/tmp/policy.yaml:2" in refused.stderr
