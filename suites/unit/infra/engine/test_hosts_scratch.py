import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.infra.engine import scratch
from evolve.infra.engine.scratch import folder, sweep_folders

MAKES_ONE = "import sys; from pathlib import Path; from evolve.infra.engine.scratch import folder; \
print(folder('plays', parent=Path(sys.argv[1])), flush=True); sys.stdin.read()"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of a process that was killed."""
    command = [sys.executable, "-c", MAKES_ONE, str(tmp_path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        path = Path(child.stdout.readline().strip())
        assert path.is_dir()
        assert sweep_folders([tmp_path]) == 0
        child.kill()
    (path / "inventory.yaml").write_text("all:\n", "utf-8")
    return path


def test_what_a_killed_process_left_is_removed_and_what_this_one_has_is_not(tmp_path: Path, left: Path):
    mine = folder("plays", parent=tmp_path)
    assert sweep_folders([tmp_path]) == 1
    assert not left.exists()
    assert mine.is_dir()


def test_a_folder_says_what_it_is_for_and_is_closed_to_others(tmp_path: Path):
    made = folder("hosts", parent=tmp_path)
    assert made.name.startswith(f"anneal-hosts-{os.getpid()}-")
    assert made.stat().st_mode & 0o077 == 0


def test_a_link_is_neither_followed_nor_removed(tmp_path: Path, left: Path):
    target = tmp_path / "target"
    left.rename(target)
    left.symlink_to(target)
    assert sweep_folders([tmp_path]) == 0
    assert left.is_symlink()
    assert (target / "inventory.yaml").exists()


def test_a_link_inside_is_removed_and_not_what_it_points_to(tmp_path: Path, left: Path):
    target = tmp_path / "target"
    target.mkdir()
    (left / "link").symlink_to(target)
    assert sweep_folders([tmp_path]) == 1
    assert target.is_dir()


def test_a_folder_of_another_boot_or_namespace_is_left(tmp_path: Path, left: Path):
    kind, *numbers, _realm, word = left.name.removeprefix("anneal-").split("-")
    elsewhere = left.rename(tmp_path / "-".join(["anneal", kind, *numbers, "00000000", word]))
    assert sweep_folders([tmp_path]) == 0
    assert elsewhere.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_folder_of_another_user_is_left(tmp_path: Path, left: Path):
    os.chown(left, 65534, 65534)
    assert sweep_folders([tmp_path]) == 0
    assert left.is_dir()


@pytest.mark.parametrize("name", ["anneal-plays-x8k2", "anneal-plays-1-2-xyz", "someones"])
def test_a_folder_with_another_name_is_left(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    assert sweep_folders([tmp_path]) == 0


def test_a_place_that_is_not_there_holds_nothing(tmp_path: Path):
    assert sweep_folders([tmp_path / "none"]) == 0


def test_the_name_leaves_room_for_a_socket():
    longest = f"/tmp/{scratch.prefix('connections')}12345678/socket"
    assert len(longest) < 100
