"""Shell completion in real shells: what is offered for the words typed so far."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
source "$1"
shift
COMP_WORDS=(evolve "$@")
COMP_CWORD=$(($# ))
COMP_LINE="${COMP_WORDS[*]}"
COMP_POINT=${#COMP_LINE}
_shtab_evolve 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script_of(shell: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "completion", shell], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "evolve.bash"
    path.write_text(script_of("bash"))
    return path


def offered(script: Path, *words: str, folder: Path | None = None) -> set[str]:
    """What bash offers when TAB is typed behind these words, the last of which is begun."""
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "ask", str(script), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["prom"], {"promote"}),
        (["r"], {"run", "rollback", "report", "reflect", "reject"}),
        (["run", "--filter-p"], {"--filter-pattern", "--filter-providers"}),
        (["run", "x.yaml", "--undefined", ""], {"typos", "strict", "empty"}),
        (["cases", "l"], {"list", "label"}),
        (["cases", "list", "--status", "p"], {"pinned"}),
        (["--test-"], {"--test-case"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["help", "pro"], {"promote", "provoke"}),
    ],
)
def test_bash_offers_what_fits(script: Path, words: list[str], wanted: set[str]) -> None:
    assert offered(script, *words) == wanted


def test_old_names_are_not_offered(script: Path) -> None:
    assert offered(script, "cases", "list", "--f") == set()


def test_bash_completes_files_and_folders(script: Path, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text("")
    (tmp_path / "agents").mkdir()
    assert {name.rstrip("/") for name in offered(script, "run", "a", folder=tmp_path)} == {"alerts.yaml", "agents"}
    found = offered(script, "run", "alerts.yaml", "--write-cases", "a", folder=tmp_path)
    assert {name.rstrip("/") for name in found} == {"agents"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(shell: str, tmp_path: Path) -> None:
    script = script_of(shell)
    assert "promote" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    path = tmp_path / "evolve"
    path.write_text(script)
    subprocess.run([program, "-n", str(path)], check=True, timeout=30)
