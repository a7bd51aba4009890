"""The cache folder is found in one place."""

from pathlib import Path

import pytest

from evolve.core.model.errors import StoreFault
from evolve.system.cache_folder import cache_folder, make_cache_folder

HOME = Path("~").expanduser()


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({}, HOME / ".cache/evolve"),
        ({"XDG_CACHE_HOME": "", "EVOLVE_CACHE_DIR": ""}, HOME / ".cache/evolve"),
        ({"XDG_CACHE_HOME": "/some/cache"}, Path("/some/cache/evolve")),
        ({"XDG_CACHE_HOME": "~/other"}, HOME / "other/evolve"),
        ({"XDG_CACHE_HOME": "/some/cache", "EVOLVE_CACHE_DIR": "/mine"}, Path("/mine")),
        ({"EVOLVE_CACHE_DIR": "~/mine"}, HOME / "mine"),
    ],
)
def test_the_environment_names_the_folder(env: dict[str, str], folder: Path):
    assert cache_folder(env) == folder


def test_a_private_folder_is_its_owners_alone(tmp_path: Path):
    made = make_cache_folder(tmp_path / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700
    assert make_cache_folder(made) == made


def test_a_folder_that_cannot_be_made_names_the_way_out(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreFault, match=r"cannot make the folder .*file/a: Not a directory .*EVOLVE_CACHE_DIR"
    ) as caught:
        make_cache_folder(tmp_path / "file" / "a")
    assert caught.value.path == str(tmp_path / "file" / "a")
