"""ARCHITECTURE.md names files and folders: each of them is there, and each room of the package has its row."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Its section "State on disk" names files of the cache folder, which are no part of the tree.
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## State on disk")[0]
NAMED = re.compile(r"`((?:[a-z_]+/)*(?:[a-z_]+\.py|[a-z_]+/))`")


def is_there(name: str) -> bool:
    places = (ROOT, ROOT / "evolve", ROOT / "evolve" / "core")
    found = [path for package in ("evolve", "pipecatapp") for path in (ROOT / package).rglob(name)]
    return any((place / name).exists() for place in places) or bool(found)


def test_every_file_and_folder_that_it_names_is_there():
    # `NAME.py` and the like are patterns, not files; they are upper case and so do not match.
    missing = sorted({name for name in NAMED.findall(TEXT) if not is_there(name)})
    assert missing == []


def test_every_room_of_the_package_has_a_row():
    rooms = [path for path in (ROOT / "evolve").iterdir() if path.is_dir() and path.name != "__pycache__"]
    rooms += [path for path in (ROOT / "evolve" / "core").iterdir() if path.is_dir() and path.name != "__pycache__"]
    rooms += [path for path in (ROOT / "pipecatapp").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert sorted(room.name for room in rooms if f"{room.name}/`" not in TEXT) == []
