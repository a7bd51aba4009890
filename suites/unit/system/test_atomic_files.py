"""Files are written whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from evolve.core.model.errors import DiskFull, InputError, StoreFault
from evolve.system.atomic_files import (
    create_once,
    output_file,
    part_beside,
    remove_parts,
    whole_file,
    write_together,
    write_whole,
)
from evolve.system.disk_faults import store_fault

HALF_WRITER = """
import sys
from pathlib import Path
from evolve.system.atomic_files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write("half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("is_synced", [False, True])
@pytest.mark.parametrize("content", ["new, with ä", b"\xff\x00"])
def test_a_whole_file_replaces_the_old_one(tmp_path: Path, content: str | bytes, is_synced: bool):
    path = tmp_path / "made" / "a.txt"
    write_whole(path, "old", is_synced=is_synced)
    write_whole(path, content, is_synced=is_synced)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(path.parent) == ["a.txt"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path):
    write_whole(tmp_path / "a.txt", "old")
    with suppress(KeyboardInterrupt), whole_file(tmp_path / "a.txt") as file:
        file.write("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file_and_a_part(tmp_path: Path):
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with subprocess.Popen([sys.executable, "-c", HALF_WRITER, str(path)], stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"
    (part,) = set(names(tmp_path)) - {"a.txt"}
    assert part.startswith(".a.txt.")
    remove_parts(tmp_path)
    assert names(tmp_path) == ["a.txt"]


def test_threads_that_write_one_file_at_once_do_not_mix_their_texts(tmp_path: Path):
    path, texts = tmp_path / "a.txt", [str(number) * 50_000 for number in range(8)]
    writers = [threading.Thread(target=write_whole, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert path.read_text() in texts
    assert names(tmp_path) == ["a.txt"]


def test_a_private_file_is_its_owners_alone_also_where_a_stale_part_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stale = tmp_path / ".a.stale.part"
    stale.write_text("readable by all")
    stale.chmod(0o644)
    monkeypatch.setattr("evolve.system.atomic_files.part_beside", lambda _: stale)
    write_whole(tmp_path / "a", "key", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert (tmp_path / "a").read_text() == "key"


def test_the_longest_name_has_a_part_too(tmp_path: Path):
    path = tmp_path / ("ä" * 120 + ".yaml")
    write_whole(path, "text")
    assert path.read_text() == "text"
    assert len(part_beside(path).name.encode()) < 255


def test_of_files_that_belong_together_none_is_written_when_one_cannot(tmp_path: Path):
    one, two = tmp_path / "one.md", tmp_path / "two.md"
    one.write_text("old")
    (two / "in the way").mkdir(parents=True)
    new = tmp_path / "zero.md"
    with pytest.raises(StoreFault, match=f"cannot write {two}: ") as caught:
        write_together({new: "new", one: "new", two: "new"})
    assert caught.value.path == str(two)
    assert one.read_text() == "old"
    assert names(tmp_path) == ["one.md", "two.md"]


def test_a_check_that_refuses_leaves_all_as_it_was(tmp_path: Path):
    seen: list[str] = []

    def refuse(parts: object) -> None:
        assert isinstance(parts, dict)
        seen.extend(part.read_text() for part in parts.values())
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_together({tmp_path / "a": "1", tmp_path / "made" / "b": "2"}, refuse)
    assert seen == ["1", "2"]
    assert names(tmp_path) == ["made"]
    assert names(tmp_path / "made") == []


def test_who_comes_second_gets_what_the_first_wrote(tmp_path: Path):
    assert create_once(tmp_path / "made" / "key", b"one", mode=0o600) == b"one"
    assert create_once(tmp_path / "made" / "key", b"two", mode=0o600) == b"one"
    assert names(tmp_path / "made") == ["key"]
    assert stat.S_IMODE((tmp_path / "made" / "key").stat().st_mode) == 0o600


def test_an_output_that_cannot_be_written_is_the_users_mistake(tmp_path: Path):
    (tmp_path / "file").write_text("")
    expected = r"cannot write the report.*choose another --output"
    with pytest.raises(InputError, match=expected), output_file(str(tmp_path / "file" / "r.txt")):
        pass


def test_a_full_disk_is_a_fault_of_its_own_with_a_hint_of_its_own():
    # /dev/full has no place next to it, so its error is taken and given to what maps them.
    handle = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space") as caught:
            os.write(handle, b"x")
    finally:
        os.close(handle)
    assert caught.value.errno == errno.ENOSPC
    fault = store_fault("cannot write a", Path("a"), caught.value, hint="choose another")
    assert isinstance(fault, DiskFull)
    assert str(fault) == "cannot write a: No space left on device (free some space on this disk, or use another one)"
