"""The folder of failure cases."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.cases.failure_case import CaseSource, FailureCase
from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.store.case_files import CaseFolder


def a_case(number: int = 1, **changes: object) -> FailureCase:
    source = CaseSource("suite", f"test {number}", "contains", "no", "echo", "AN_AGENT@1", "2025-03-04")
    assertions = ({"type": "contains", "value": "yes"},)
    case = FailureCase(
        "AN_AGENT", f"{number:012x}", "d", {"x": "y"}, "say y", source, assertions=assertions, family="f"
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def test_a_new_case_gets_a_file_named_for_its_test_and_fingerprint(tmp_path: Path):
    event = CaseFolder(tmp_path).record(a_case())
    assert event is not None
    assert event.change == "new"
    assert Path(event.file) == tmp_path / "AN_AGENT" / "test-1_000000000001.yaml"
    assert CaseFolder(tmp_path).load(event.file) == a_case()


def test_a_repeat_changes_nothing_on_disk(tmp_path: Path):
    folder = CaseFolder(tmp_path)
    path = Path(folder.record(a_case()).file)  # type: ignore[union-attr]
    path.write_text(path.read_text() + "# a person's note\n")
    before = path.read_bytes(), path.stat().st_mtime_ns
    event = CaseFolder(tmp_path).record(a_case(description="reported in other words"))
    assert event is not None
    assert event.change == "repeat"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("status", "change"), [("open", "repeat"), ("flaky", "repeat"), ("pinned", "regression"), ("retired", "recurred")]
)
def test_the_status_says_what_a_repeat_is(tmp_path: Path, status: str, change: str):
    reason = "old" if status == "retired" else ""
    CaseFolder(tmp_path).record(a_case(status=status, retired_because=reason))
    event = CaseFolder(tmp_path).record(a_case())
    assert event is not None
    assert (event.change, event.status) == (change, status)


def test_a_moved_file_is_still_known(tmp_path: Path):
    folder = CaseFolder(tmp_path)
    path = Path(folder.record(a_case()).file)  # type: ignore[union-attr]
    (tmp_path / "sorted").mkdir()
    path.rename(tmp_path / "sorted" / "renamed_000000000001.yaml")
    assert folder.record(a_case()).change == "repeat"  # type: ignore[union-attr]


def test_more_than_a_run_may_write_is_counted(tmp_path: Path):
    folder = CaseFolder(tmp_path, max_new=2)
    events = [folder.record(a_case(number)) for number in (1, 2, 3, 4, 1)]
    assert [event and event.change for event in events] == ["new", "new", None, None, "repeat"]
    assert folder.left_out == 2
    assert len(folder.load_all()) == 2


def test_in_ci_new_cases_go_elsewhere_and_known_ones_are_known(tmp_path: Path):
    home, inbox = tmp_path / "failure_cases", tmp_path / "reports"
    CaseFolder(home).record(a_case(1))
    folder = CaseFolder(home, new_cases=inbox)
    assert folder.record(a_case(1)).change == "repeat"  # type: ignore[union-attr]
    event = folder.record(a_case(2))
    assert event is not None
    assert event.change == "new"
    assert Path(event.file).is_relative_to(inbox)
    assert folder.record(a_case(2)).change == "repeat"  # type: ignore[union-attr]
    assert len(folder.load_all()) == 1


def test_the_problems_of_all_files_are_reported_at_once(tmp_path: Path):
    CaseFolder(tmp_path).record(a_case())
    (tmp_path / "one.yaml").write_text("prompts: []\n")
    (tmp_path / "two.yaml").write_text("a: [\n")
    with pytest.raises(InputError) as caught:
        CaseFolder(tmp_path).load_all()
    assert {problem.where.file for problem in caught.value.problems if problem.where} == {
        str(tmp_path / "one.yaml"),
        str(tmp_path / "two.yaml"),
    }


def test_no_folder_holds_no_cases(tmp_path: Path):
    assert CaseFolder(tmp_path / "none").load_all() == ()
    assert not (tmp_path / "none").exists()


def test_an_update_that_fails_writes_nothing(tmp_path: Path):
    folder = CaseFolder(tmp_path)
    path = Path(folder.record(a_case()).file)  # type: ignore[union-attr]
    before = path.read_bytes()

    def refuse(case: FailureCase) -> FailureCase:
        raise InputError([])

    with pytest.raises(InputError):
        folder.update(path, refuse)
    assert path.read_bytes() == before
    assert folder.update(path, lambda case: replace(case, status="pinned")).status == "pinned"
    assert folder.load(path).status == "pinned"
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [path.name]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The lock of a folder, as another process holds it while it writes there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@pytest.mark.parametrize("root", ["", "AN_AGENT"])
def test_recording_and_pinning_wait_for_whoever_writes_in_the_agents_folder(tmp_path: Path, root: str):
    path = Path(CaseFolder(tmp_path).record(a_case()).file)  # type: ignore[union-attr]
    pinning = threading.Thread(
        target=lambda: CaseFolder(tmp_path / root).update(path, lambda case: replace(case, status="pinned"))
    )
    recording = threading.Thread(target=lambda: CaseFolder(tmp_path).record(a_case(2)))
    with held(path.parent):
        for writer in (pinning, recording):
            writer.start()
            writer.join(0.3)
        assert pinning.is_alive()
        assert recording.is_alive()
    pinning.join(30)
    recording.join(30)
    found = {stored.case.fingerprint: stored.case.status for stored in CaseFolder(tmp_path).load_all()}
    assert found == {"000000000001": "pinned", "000000000002": "open"}


def test_what_a_killed_writer_left_is_taken_away_and_never_read(tmp_path: Path):
    folder = CaseFolder(tmp_path)
    path = Path(folder.record(a_case()).file)  # type: ignore[union-attr]
    path.with_name(f".{path.name}.1-0.part").write_text("agent: [")
    assert len(folder.load_all()) == 1
    folder.record(a_case(2))
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "test-1_000000000001.yaml",
        "test-2_000000000002.yaml",
    ]


def test_a_folder_that_cannot_be_written_is_the_environments_fault(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot use the folder"):
        CaseFolder(tmp_path / "file" / "cases").record(a_case())
