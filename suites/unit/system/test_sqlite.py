"""Files of SQLite that processes share."""

import stat
from pathlib import Path

from evolve.system.sqlite import SharedFile


def opened(path: Path) -> SharedFile:
    schema = "CREATE TABLE IF NOT EXISTS items (name TEXT)"
    return SharedFile(path, schema, version=1, what="the file", durability="NORMAL")


def test_only_the_owner_may_read_a_new_file_and_its_log(tmp_path: Path) -> None:
    file = opened(tmp_path / "new" / "a.sqlite")
    file.do("INSERT INTO items VALUES ('x')")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_file_of_an_earlier_version_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.touch(mode=0o644)
    opened(path).do("INSERT INTO items VALUES ('x')")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
