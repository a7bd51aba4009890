"""Piper in an environment of its own: it is under the GPL, a program that runs and never a library that is imported."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from evolve.core.model.errors import ProcessFault
from evolve.system.cache_folder import make_cache_folder
from pipecatapp.voice.installed import piper_program

PIPER: Final = "piper-tts==1.8.0"
_STAMP: Final = "installed"
_KEPT: Final = 300


def install_piper(cache_dir: Path) -> bool:
    """Install Piper unless it is here; return whether it was installed.

    Raises:
        EnvironmentFault: an environment cannot be made, or pip does not get it.
    """
    program = piper_program(cache_dir)
    folder = make_cache_folder(program.parents[1])
    stamp = folder / _STAMP
    if program.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == PIPER:
        return False
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], f"cannot make an environment in {folder}")
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run([*pip, PIPER], f"pip did not install {PIPER}")
    # Last of all: what was interrupted is done again.
    stamp.write_text(PIPER, encoding="utf-8")
    return True


def _run(command: list[str], problem: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise ProcessFault(f"{problem}: {lines[-1][:_KEPT]}", command=command[0])
