"""`./bootstrap.sh --run-local`: one command, one Ctrl-C, and nothing is left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from fixtures.processes import is_running
from fixtures.real_consul import free_ports
from fixtures.real_experts import shipped_model

ROOT = Path(__file__).parents[3]


def start(tmp_path, *arguments, env=None):
    return subprocess.Popen(
        [sys.executable, "-m", "pipecatapp.local", *arguments], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ask_the_page(page, key):
    request = urllib.request.Request(f"{page}api/status")
    request.add_header("authorization", f"Bearer {key}")
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def children_of(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.parametrize("consul", [True, False], ids=["with consul", "without"])
def test_it_prints_an_address_and_a_key_that_work_and_ends_at_ctrl_c(tmp_path, consul):
    shipped_model()
    ports = ["--port", "0", "--agent-port", "0", "--model", "small"]
    process = start(tmp_path, *ports, *([] if consul else ["--no-consul"]))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("address:").strip()
        key = process.stdout.readline().removeprefix("key:").strip()
        page = process.stdout.readline().removeprefix("agent:").strip()
        body = {"model": "moe", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        request = urllib.request.Request(f"{address}/chat/completions", json.dumps(body).encode())
        request.add_header("authorization", f"Bearer {key}")
        with urllib.request.urlopen(request) as reply:
            answer = json.load(reply)
        assert answer["model"] == "expert-main"
        assert answer["usage"]["completion_tokens"] == 2
        assert ask_the_page(page, key)["rows"][0]["component"] == "agent"
        children = children_of(process.pid)
        assert len(children) == 3 + (consul and shutil.which("consul") is not None)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "== ended" in err
    assert "./bootstrap.sh model large" in err
    assert re.search(r"== SmolLM2.*, TWIN_AGENT@\d+: \d+% of choices of tools right", err)
    assert [pid for pid in children if is_running(pid)] == []
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_the_machines_fault(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, "--port", str(taken.getsockname()[1]), "--model", "small")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "choose another with --port" in err


def test_a_model_that_is_no_model_is_shown_with_the_log(tmp_path):
    shipped_model()
    (tmp_path / "bad.gguf").write_text("not a model")
    process = start(tmp_path, "--port", str(free_ports(1)[0]), "--model", str(tmp_path / "bad.gguf"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert "llama-server ended with code" in err
    assert "bad.gguf" in err
