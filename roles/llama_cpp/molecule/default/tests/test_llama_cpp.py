"""llama.cpp as a service: what it answers, over which workers, and how it runs."""

import hashlib
import json
import time

import pytest

HOME = "/opt/anneal/llama_cpp"
SERVER = "http://127.0.0.1:8080"


def status(host, path):
    """The HTTP status that the server answers with; 000 when it does not answer."""
    return host.run(f"curl --silent --output /dev/null --write-out '%{{http_code}}' {SERVER}{path}").stdout


def wait_for_status(host, path, wanted, deadline_s=30):
    end = time.monotonic() + deadline_s
    while (found := status(host, path)) != wanted:
        assert time.monotonic() < end, f"{path} answers {found} instead of {wanted} after {deadline_s} s"
        time.sleep(0.2)


def model(host):
    """The model's file that the unit serves; empty when it serves none."""
    command = host.check_output("systemctl show -p ExecStart --value llama-server").split()
    return command[command.index("--model") + 1] if "--model" in command else ""


@pytest.mark.parametrize("unit", ["llama-server", "llama-rpc"])
def test_units_run_now_and_after_a_restart(host, unit):
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_server_is_healthy(host):
    wait_for_status(host, "/health", "200")


def test_server_names_the_model_that_it_serves(host):
    served = json.loads(host.check_output(f"curl --silent --fail {SERVER}/v1/models"))["data"]
    expected = model(host)
    if not expected:
        pytest.skip("needs a model: the real source is built here, and the scenario's model is a few bytes")
    assert [expected.rsplit("/", 1)[-1]] == [entry["id"].rsplit("/", 1)[-1] for entry in served]


def test_server_uses_its_worker(host):
    if not model(host):
        pytest.skip("needs a model: the real server asks its workers only when it loads one")
    host.check_output("systemctl stop llama-rpc")
    try:
        wait_for_status(host, "/health", "503")
    finally:
        host.check_output("systemctl start llama-rpc")
    wait_for_status(host, "/health", "200")


@pytest.mark.parametrize("unit", ["llama-server", "llama-rpc"])
def test_programs_run_as_the_system_user_without_rights(host, unit):
    pid = host.check_output(f"systemctl show -p MainPID --value {unit}")
    process = host.process.get(pid=int(pid))
    assert process.user == "llama"
    status_lines = dict(line.split(":", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
    assert int(status_lines["CapBnd"], 16) == 0
    assert status_lines["NoNewPrivs"].strip() == "1"


def test_a_killed_server_comes_back(host):
    before = host.check_output("systemctl show -p MainPID --value llama-server")
    host.check_output("systemctl kill --signal=KILL llama-server")
    wait_for_status(host, "/health", "200")
    assert host.check_output("systemctl show -p MainPID --value llama-server") != before


def test_current_points_at_a_whole_build_and_nothing_of_the_work_is_left(host):
    link = host.file(f"{HOME}/current")
    assert link.is_symlink
    for program in ("llama-server", "rpc-server"):
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


def test_without_a_checksum_the_first_download_records_it(host):
    fetch = f"{HOME}/fetch-model file:///tmp/recorded/origin '' /tmp/recorded/model"
    host.check_output("mkdir -p /tmp/recorded && echo first > /tmp/recorded/origin")
    host.check_output(fetch)
    digest = hashlib.sha256(b"first\n").hexdigest()
    assert host.file("/tmp/recorded/model.sha256").content_string == f"{digest}\n"
    host.check_output("rm /tmp/recorded/model && echo other > /tmp/recorded/origin")
    refused = host.run(fetch)
    assert refused.rc == 1
    assert f"does not have the sha256 {digest}" in refused.stderr
    host.check_output("echo first > /tmp/recorded/origin")
    host.check_output(fetch)
    assert host.file("/tmp/recorded/model").content_string == "first\n"
    host.check_output("rm -r /tmp/recorded")


def test_a_download_with_another_checksum_is_refused_and_not_kept(host):
    host.check_output("mkdir -p /tmp/refused && echo other > /tmp/refused/origin")
    fetched = host.run(f"{HOME}/fetch-model file:///tmp/refused/origin {'0' * 64} /tmp/refused/model")
    assert fetched.rc == 1
    assert "does not have the sha256" in fetched.stderr
    assert host.check_output("ls /tmp/refused") == "origin"
    host.check_output("rm -r /tmp/refused")
