"""Lines of progress: while a step runs, and at its end."""

import os
import tempfile
import threading
from pathlib import Path

import pytest

from evolve.infra.image.progress import PulledBytes, folder_size, reported


def test_a_step_says_size_and_time_while_it_runs_and_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "packages").write_bytes(bytes(3_000_000))
    lines: list[str] = []
    first = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        first.set()

    with reported(say, "bookworm: packages", lambda: folder_size(tmp_path), every_s=0.01):
        assert first.wait(30)
    assert lines[0].startswith("bookworm: packages: 3 MB after ")
    assert lines[-1].startswith("bookworm: packages: done, 3 MB after ")


def test_pulled_bytes_are_those_of_all_layers() -> None:
    pulled = PulledBytes()
    for layer, current in (("a", 10), ("b", 5), ("a", 30)):
        pulled.note({"status": "Downloading", "id": layer, "progressDetail": {"current": current}})
    pulled.note({"status": "Extracting", "id": "a", "progressDetail": {"current": 7}})
    assert pulled.total() == 35


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no file system is mounted below /dev")
def test_file_systems_below_a_folder_are_not_entered():
    # A builder could not unmount them while somebody looks into them.
    before = folder_size(Path("/dev"))
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as other:
        other.write(b"x" * 4_000_000)
        other.flush()
        assert folder_size(Path("/dev")) - before < 4_000_000
