"""The scripts by which preflight_checks finds and tries its targets, run by a real shell against real sockets."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

VARIABLES = yaml.safe_load(
    (Path(__file__).parents[2] / "roles/preflight_checks/vars/main.yml").read_text(encoding="utf-8")
)


def run(script: str, *words: str, environment: dict[str, str] | None = None) -> list[str]:
    command = ["sh", "-c", VARIABLES[f"_preflight_checks_{script}_script"], "sh", *words]
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, env=environment, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def tries(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """A `timeout` that counts its calls, then does its work."""
    log = tmp_path / "tries"
    log.touch()
    real = shutil.which("timeout")
    counting = tmp_path / "timeout"
    counting.write_text(f'#!/bin/sh\necho try >>{log}\nexec {real} "$@"\n')
    counting.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, log


def test_a_target_that_refuses_is_tried_three_times(tries: tuple[dict[str, str], Path]):
    environment, log = tries
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{closed.getsockname()[1]}"
        assert run("target", "1", "3", target, environment=environment) == [f"{target}|Connection refused"]
    assert log.read_text().splitlines() == ["try"] * 3


def test_a_target_that_answers_is_tried_once(tries: tuple[dict[str, str], Path]):
    environment, log = tries
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        assert run("target", "5", "3", target, environment=environment) == [f"{target}|"]
    assert log.read_text().splitlines() == ["try"]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A host whose apt has no sources and whose user has a configuration of pip."""
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / "apt-get").write_text("#!/bin/sh\ncat $HOME/sources 2>/dev/null\n")
    (tmp_path / "apt-config").write_text("#!/bin/sh\ncat $HOME/proxy 2>/dev/null\n")
    for name in ("apt-get", "apt-config"):
        (tmp_path / name).chmod(0o755)
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("http://mirror.test/debian/", "mirror.test:80"),
        ("https://mirror.test/debian/", "mirror.test:443"),
        ("https://user:word@mirror.test:8443/debian/", "mirror.test:8443"),
        ("http://[2001:db8::1]/debian", "2001:db8::1:80"),
        ("http://[2001:db8::1]:3142/debian", "2001:db8::1:3142"),
        ("mirror+https://mirror.test/list", "mirror.test:443"),
    ],
)
def test_the_sources_of_apt_are_targets(address: str, target: str, home: dict[str, str]):
    Path(home["HOME"], "sources").write_text(f"{address}\ncdrom://disc/\nfile:/srv/archive\n")
    assert target in run("source", environment=home)
    assert not any("disc" in found or "srv" in found for found in run("source", environment=home))


def test_the_proxy_of_apt_stands_for_its_sources(home: dict[str, str]):
    Path(home["HOME"], "sources").write_text("http://mirror.test/debian\n")
    Path(home["HOME"], "proxy").write_text("proxy='http://proxy.test:3142'\n")
    found = run("source", environment=home)
    assert "proxy.test:3142" in found
    assert "mirror.test:80" not in found


def test_the_index_of_pip_is_a_target(home: dict[str, str]):
    Path(home["HOME"], ".config/pip/pip.conf").write_text("[global]\nindex-url = https://index.test/simple\n")
    assert "index.test:443" in run("source", environment=home)
