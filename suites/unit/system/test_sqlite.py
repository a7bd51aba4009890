"""Files of SQLite that processes share."""

import sqlite3
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


class OvertakenFile(SharedFile):
    """A file that another process sets aside while this one opens it."""

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA user_version").fetchone()
        aside = self._path.with_name("aside")
        if not aside.exists():
            self._path.rename(aside)
        super()._prepare(database)


def test_a_file_that_was_set_aside_while_it_was_opened_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    schema = "CREATE TABLE IF NOT EXISTS items (name TEXT)"
    file = OvertakenFile(path, schema, version=1, what="the file", durability="NORMAL")
    file.do("INSERT INTO items VALUES ('x')")
    assert opened(path).all("SELECT name FROM items") == [("x",)]
    assert (tmp_path / "aside").stat().st_size == 0
