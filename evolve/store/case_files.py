"""Failure cases on disk: one YAML file for each, written whole or not at all, by one process at a time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from evolve.core.cases.failure_case import FailureCase, from_text, to_text
from evolve.core.cases.fingerprint import slug
from evolve.core.cases.same_failure import failure_key
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.evolution_events import CaseRecorded
from evolve.system.atomic_files import remove_parts, write_whole
from evolve.system.disk_faults import reason_of, store_fault
from evolve.system.locks import locked

MAX_NEW: Final = 20
"""New cases that a run writes unless the user sets another limit; the rest is only counted. A broken prompt can fail
every test, and hundreds of files would bury the useful ones."""

_CHANGE_OF_REPEAT: Final = {"open": "repeat", "flaky": "repeat", "pinned": "regression", "retired": "recurred"}


class StoredCase(NamedTuple):
    """A case and its file."""

    path: Path
    case: FailureCase


class CaseFolder:
    """The failure cases in one folder: `AGENT/SLUG_FINGERPRINT.yaml`.

    Args:
        path: the folder; it need not exist yet.
        max_new: the limit of new cases that are written; `left_out` counts the others.
        new_cases: where new cases go instead, for CI; cases in `path` are still known.
    """

    def __init__(self, path: Path | str, *, max_new: int = MAX_NEW, new_cases: Path | str | None = None) -> None:
        self.path = Path(path)
        self.left_out = 0
        """New cases beyond `max_new`, which were not written."""
        self._inbox = Path(new_cases) if new_cases is not None else self.path
        self._room = max_new

    def record(self, case: FailureCase) -> CaseRecorded | None:
        """Write a new case; the file of a known fingerprint is not changed.

        Returns:
            What happened: `new`; known and open or flaky (`repeat`), pinned (`regression`) or retired (`recurred`).
            None when it is new and beyond the limit.

        Raises:
            InputError: the known case's file is wrong.
            StoreFault: the folder cannot be written.
        """
        with _lock(self._inbox):
            known = self.find(case.fingerprint) or self._written_earlier(case)
            if known is not None:
                status = load_case(known).status
                return _event(known, case, status, _CHANGE_OF_REPEAT[status])
            if self._room <= 0:
                self.left_out += 1
                return None
            self._room -= 1
            path = self._inbox / case.agent / f"{slug(case.source.test.rpartition('::')[2])}_{case.fingerprint}.yaml"
            with _lock(
                path.parent
            ):  # the lock of `update`; always taken after the folder's own, so that there is no deadlock
                _write(path, to_text(case))
            return _event(path, case, case.status, "new")

    def find(self, fingerprint: str) -> Path | None:
        """Return the file of a fingerprint, anywhere in the folder or among the new cases; None when there is none."""
        for folder in dict.fromkeys((self.path, self._inbox)):
            for path in sorted(folder.glob(f"**/*_{fingerprint}.yaml")):
                return path
        return None

    def _written_earlier(self, case: FailureCase) -> Path | None:
        """Return the file of the same failure that a version with other rules of redaction wrote."""
        key = failure_key(case)
        paths = [path for folder in (self.path, self._inbox) for path in yaml_files(folder / case.agent)] if key else []
        for path in dict.fromkeys(paths):
            try:
                if failure_key(load_case(path)) == key:
                    return path
            except InputError:
                continue  # a wrong file is reported by the commands that read all cases
        return None

    def load_all(self) -> tuple[StoredCase, ...]:
        """Return every case of the folder, in the order of their paths; empty without the folder.

        Raises:
            InputError: a file is wrong; with every problem of every file.
        """
        return load_cases(yaml_files(self.path))

    def load(self, path: Path | str) -> FailureCase:
        """Return the case of a file; raise InputError with all its problems."""
        return load_case(Path(path))

    def update(self, path: Path | str, change: Callable[[FailureCase], FailureCase]) -> FailureCase:
        """Change a case and write it, under the folder's lock; return the changed case. Comments in the file are lost.

        Raises:
            InputError: the file is wrong, or `change` raised it; nothing is written then.
            StoreFault: the file cannot be written.
        """
        # The lock is that of the file's own folder, so that all writers of one file use the same one.
        with _lock(Path(path).parent):
            before = load_case(Path(path))
            after = change(before)
            if after != before:
                _write(Path(path), to_text(after))
            return after


def yaml_files(folder: Path) -> list[Path]:
    """Return the YAML files in a folder and below, without the dot-files of editors and systems."""
    return sorted(path for path in folder.glob("**/*.yaml") if not path.name.startswith("."))


def load_case(path: Path) -> FailureCase:
    """Return the case of a file.

    Raises:
        InputError: the file cannot be read, or is wrong; with every problem by line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot read: {reason_of(error)}", Location(str(path)))) from None
    return from_text(text, str(path))


def load_cases(paths: list[Path]) -> tuple[StoredCase, ...]:
    """Return the cases of files, in this order; raise InputError with every problem of all of them."""
    found: list[StoredCase] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(StoredCase(path, load_case(path)))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return tuple(found)


def _event(path: Path, case: FailureCase, status: str, change: str) -> CaseRecorded:
    return CaseRecorded(str(path), case.fingerprint, case.agent, status, change)  # type: ignore[arg-type]  # the values of the table


def _write(path: Path, text: str) -> None:
    """Write a case; the caller holds the lock of its folder."""
    try:
        remove_parts(path.parent)
        write_whole(path, text, is_synced=True)
    except OSError as error:
        raise store_fault(f"cannot write the failure case {path}", path, error) from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one writer of a folder in at a time, also among processes. The folder itself is the lock: no file is left."""
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder))
        except OSError as error:
            raise store_fault(f"cannot use the folder of failure cases {folder}", folder, error) from error
        yield
