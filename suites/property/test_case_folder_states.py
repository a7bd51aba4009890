"""The folder of failure cases against a dict: whatever is done to it in whatever order."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from evolve.core.cases.failure_case import CaseSource, FailureCase
from evolve.store.case_files import CaseFolder

CHANGES = {"open": "repeat", "flaky": "repeat", "pinned": "regression", "retired": "recurred"}
NUMBERS = st.integers(0, 12)


def a_case(number: int, text: str = "") -> FailureCase:
    source = CaseSource("suite", f"test {number % 3}", "contains", "no", "echo", "AN_AGENT@1", "2025-03-04")
    check = {"type": "contains", "value": "x"}
    return FailureCase(
        "AN_AGENT", f"{number:012x}", text, {"x": text}, "say y", source, assertions=(check,), family="f"
    )


class Folders(RuleBasedStateMachine):
    """Several processes' views of one folder, and what a dict says they must give."""

    folders = Bundle("folders")

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.known: dict[str, FailureCase] = {}
        self.files: dict[str, bytes] = {}
        self.room: dict[int, int] = {}
        self.left_out: dict[int, int] = {}

    @rule(target=folders, room=st.integers(0, 4))
    def open(self, room: int) -> CaseFolder:
        folder = CaseFolder(self.path, max_new=room)
        self.room[id(folder)], self.left_out[id(folder)] = room, 0
        return folder

    @rule(folder=folders, number=NUMBERS, text=st.text("ab{%", max_size=4))
    def record(self, folder: CaseFolder, number: int, text: str) -> None:
        case = a_case(number, text)
        event = folder.record(case)
        before = self.known.get(case.fingerprint)
        if before is not None:
            assert event is not None
            assert (event.change, event.status) == (CHANGES[before.status], before.status)
        elif self.room[id(folder)]:
            assert event is not None
            assert event.change == "new"
            self.room[id(folder)] -= 1
            self.known[case.fingerprint] = case
            self.files[event.file] = Path(event.file).read_bytes()
        else:
            assert event is None
            self.left_out[id(folder)] += 1

    @rule(folder=folders, number=NUMBERS, status=st.sampled_from(sorted(CHANGES)))
    def change(self, folder: CaseFolder, number: int, status: str) -> None:
        path = folder.find(f"{number:012x}")
        assert (path is not None) == (f"{number:012x}" in self.known)
        if path is None:
            return
        reason = "old" if status == "retired" else ""
        changed = folder.update(path, lambda case: replace(case, status=status, retired_because=reason))  # type: ignore[arg-type]
        self.known[changed.fingerprint] = changed
        self.files[str(path)] = path.read_bytes()

    @rule(folder=folders, number=NUMBERS)
    def move(self, folder: CaseFolder, number: int) -> None:
        path = folder.find(f"{number:012x}")
        if path is None:
            return
        target = self.path / "moved" / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        self.files[str(target)] = self.files.pop(str(path))

    @rule(folder=consumes(folders))
    def end(self, folder: CaseFolder) -> None:
        assert folder.left_out == self.left_out[id(folder)]

    @invariant()
    def the_files_are_those_that_were_written(self) -> None:
        found = {str(path): path.read_bytes() for path in self.path.rglob("*") if path.is_file()}
        assert found == self.files

    @invariant()
    def the_cases_are_those_that_are_known(self) -> None:
        loaded = {stored.case.fingerprint: stored.case for stored in CaseFolder(self.path).load_all()}
        assert loaded == self.known

    def teardown(self) -> None:
        shutil.rmtree(self.path)


TestFolders = Folders.TestCase
TestFolders.settings = settings(max_examples=60, stateful_step_count=20)
