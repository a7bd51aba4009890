"""Files that are written whole or not at all: first next to their place, then moved there.

A process that is killed while writing leaves the old file unchanged, and a part next to it, `.NAME.PID-N.part`.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TextIO, cast

from evolve.core.model.errors import InputError, Location, Problem
from evolve.system.disk_faults import store_fault

_PARTS: Final = ".*.part"
_NAME_CHARACTERS: Final = 40
"""Characters of the file's name in that of its part, which must stay below 255 bytes, also at four bytes each."""

_USUAL_MODE: Final = 0o666
"""The mode that `open` uses; the umask applies to it."""
_numbers = itertools.count()
"""Threads of one process may write one file at once: each needs its own part."""


@contextmanager
def whole_file(
    path: Path, *, mode: int = _USUAL_MODE, newline: str | None = None, errors: str = "strict", is_synced: bool = False
) -> Iterator[TextIO]:
    """Open a text file that takes its place when the block ends without an error; missing folders are made.

    Args:
        path: the place; a file there stays until the new one is complete.
        mode: the file's mode, before the umask.
        newline: as in `open`.
        errors: how to write lone surrogates, as in `open`.
        is_synced: whether the file must survive a power cut or kernel crash right afterwards. Takes a few milliseconds
            on a disk.

    Raises:
        OSError: the file cannot be written.
    """
    with _taking_place(path, is_synced=is_synced) as part, _new(part, "w", mode, newline, errors) as file:
        yield cast("TextIO", file)
        if is_synced:
            _sync(file)


def write_whole(path: Path, content: str | bytes, *, mode: int = _USUAL_MODE, is_synced: bool = False) -> None:
    """Write a file whole or not at all; see `whole_file`.

    Args:
        path: the place.
        content: the text (UTF-8), or the bytes.
        mode: the file's mode, before the umask.
        is_synced: whether the file must survive a power cut or kernel crash right afterwards.

    Raises:
        OSError: the file cannot be written.
    """
    with _taking_place(path, is_synced=is_synced) as part:
        _write_new(part, content, mode, is_synced=is_synced)


def write_together(texts: Mapping[Path, str], check: Callable[[Mapping[Path, Path]], None] = lambda _: None) -> None:
    """Write several files; when one of them cannot take its place, those before it get their old content back.

    Args:
        texts: each place and its new text.
        check: gets each place and the part that will replace it; when it raises, nothing is replaced.

    Raises:
        StoreFault: a file cannot be written.
    """
    parts = {place: part_beside(place) for place in texts}
    try:
        for place, text in texts.items():
            with _store_faults(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                _write_new(parts[place], text, _USUAL_MODE, is_synced=True)
        check(parts)
        _move_all(parts)
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()


def create_once(path: Path, content: bytes, *, mode: int) -> bytes:
    """Write a file unless there is one, and return its content: of several processes one writes, all get the same.

    Raises:
        OSError: the file cannot be written or read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_beside(path)
    _write_new(part, content, mode, is_synced=True)
    try:
        os.link(part, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        part.unlink()
    return content


@contextmanager
def output_file(path: str, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open the file of an `--output`; missing folders are made, and a half-written one never replaces a whole one.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        # A lone surrogate becomes its JSON escape; elsewhere the escape is shown as text.
        with whole_file(Path(path), newline=newline, errors="backslashreplace") as file:
            yield file
    except OSError as error:
        problem = Problem(
            f"cannot write the report: {error.strerror or error}", Location(path), "choose another --output"
        )
        raise InputError(problem) from error


def part_beside(path: Path) -> Path:
    """Return the name under which this file is written first; no other writer has it."""
    return path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{os.getpid()}-{next(_numbers)}.part")


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in a folder; the caller must hold the lock that its writers take."""
    for part in folder.glob(_PARTS):
        part.unlink(missing_ok=True)


@contextmanager
def _taking_place(path: Path, *, is_synced: bool) -> Iterator[Path]:
    part = part_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    if is_synced:
        sync_folder(path.parent)


def _new(part: Path, kind: str, mode: int, newline: str | None = None, errors: str | None = None) -> IO[Any]:
    encoding = None if "b" in kind else "utf-8"
    # Exclusive: an existing part was left by a killed process with this number, and may have another mode.
    part.unlink(missing_ok=True)
    return open(  # the caller closes it; Path.open takes no opener
        part,
        kind.replace("w", "x"),
        encoding=encoding,
        errors=errors,
        newline=newline,
        opener=lambda name, flags: os.open(name, flags, mode),
    )


def _write_new(part: Path, content: str | bytes, mode: int, *, is_synced: bool) -> None:
    with _new(part, "wb", mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if is_synced:
            _sync(file)


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the new name too. Some file systems cannot; the content of the file is safe there nevertheless."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move_all(parts: Mapping[Path, Path]) -> None:
    """Move each part to its place; when one cannot be moved, those before it go back."""
    before: dict[Path, bytes | None] = {}
    for place, part in parts.items():
        try:
            content = place.read_bytes() if place.is_file() else None
            part.replace(place)
        except OSError as error:
            for moved, old in before.items():
                _restore(moved, old)
            raise store_fault(f"cannot write {place}", place, error) from error
        before[place] = content
    for folder in {place.parent for place in parts}:
        sync_folder(folder)


def _restore(place: Path, content: bytes | None) -> None:
    if content is None:
        place.unlink()
    else:
        write_whole(place, content, is_synced=True)


@contextmanager
def _store_faults(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_fault(f"cannot write {place}", place, error) from error
