"""whisper.cpp as a service: it takes a recording, and runs as it should."""

import hashlib
import json
import shlex
import time

import pytest

HOME = "/opt/anneal/whisper_cpp"
SERVER = "http://127.0.0.1:8178"
RECORDING = """
import wave
with wave.open("/tmp/second.wav", "wb") as out:
    out.setparams((1, 2, 16000, 0, "NONE", ""))
    out.writeframes(bytes(32000))
"""


@pytest.fixture
def serving(host):
    """Skips where nothing is served: the real source is built, and the scenario has no model for it."""
    if not host.file("/etc/systemd/system/whisper-server.service").exists:
        pytest.skip("needs a model: the real source is built here, and the scenario's model is a few bytes")


def status(host, path):
    """The HTTP status that the server answers with; 000 when it does not answer."""
    return host.run(f"curl --silent --output /dev/null --write-out '%{{http_code}}' {SERVER}{path}").stdout


def wait_for_status(host, path, wanted, deadline_s=30):
    end = time.monotonic() + deadline_s
    while (found := status(host, path)) != wanted:
        assert time.monotonic() < end, f"{path} answers {found} instead of {wanted} after {deadline_s} s"
        time.sleep(0.2)


def test_unit_runs_now_and_after_a_restart(host, serving):
    assert host.service("whisper-server").is_running
    assert host.service("whisper-server").is_enabled
    wait_for_status(host, "/health", "200")


def test_server_takes_a_recording(host, serving):
    host.check_output(f"python3 -c {shlex.quote(RECORDING)}")
    answer = host.check_output(f"curl --silent --fail --form file=@/tmp/second.wav {SERVER}/inference")
    assert json.loads(answer)["text"].strip() == "1000 ms of sound"


def test_server_refuses_what_is_no_recording(host, serving):
    host.check_output("echo words > /tmp/words.wav")
    answer = host.run(
        f"curl --silent --form file=@/tmp/words.wav --output /dev/null --write-out '%{{http_code}}' {SERVER}/inference"
    )
    assert answer.stdout.startswith("4")


def test_program_runs_as_the_system_user_without_rights(host, serving):
    pid = host.check_output("systemctl show -p MainPID --value whisper-server")
    lines = dict(line.split(":", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
    assert int(lines["Uid"].split()[0]) == host.user("whisper").uid
    assert int(lines["CapBnd"], 16) == 0
    assert lines["NoNewPrivs"].strip() == "1"


def test_a_killed_server_comes_back(host, serving):
    before = host.check_output("systemctl show -p MainPID --value whisper-server")
    host.check_output("systemctl kill --signal=KILL whisper-server")
    wait_for_status(host, "/health", "200")
    assert host.check_output("systemctl show -p MainPID --value whisper-server") != before


def test_current_points_at_a_whole_build_and_nothing_of_the_work_is_left(host):
    link = host.file(f"{HOME}/current")
    assert link.is_symlink
    for program in ("whisper-server", "whisper-cli"):
        assert host.file(f"{link.linked_to}/bin/{program}").mode == 0o755
    assert not host.file(f"{HOME}/.build").exists


def test_a_download_that_was_cut_off_goes_on(host):
    content = "".join(f"line {n}\n" for n in range(5000))
    host.check_output("mkdir -p /tmp/fetch && seq --format 'line %.0f' 0 4999 > /tmp/fetch/origin")
    host.check_output("head --bytes=20000 /tmp/fetch/origin > /tmp/fetch/model.part")
    digest = hashlib.sha256(content.encode()).hexdigest()
    host.check_output(f"{HOME}/fetch-model file:///tmp/fetch/origin {digest} /tmp/fetch/model")
    assert host.file("/tmp/fetch/model").content_string == content
    assert not host.file("/tmp/fetch/model.part").exists
    host.check_output("rm -r /tmp/fetch")


def test_a_download_with_another_checksum_is_refused_and_not_kept(host):
    host.check_output("mkdir -p /tmp/refused && echo other > /tmp/refused/origin")
    fetched = host.run(f"{HOME}/fetch-model file:///tmp/refused/origin {'0' * 64} /tmp/refused/model")
    assert fetched.rc == 1
    assert "does not have the sha256" in fetched.stderr
    assert host.check_output("ls /tmp/refused") == "origin"
    host.check_output("rm -r /tmp/refused")
