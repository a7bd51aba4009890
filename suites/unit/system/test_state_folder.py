"""The state folder is found in one place, and is never the cache folder."""

from pathlib import Path

import pytest

from evolve.system.state_folder import state_folder

HOME = Path("~").expanduser()


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({}, HOME / ".local/state/evolve"),
        ({"XDG_STATE_HOME": "", "EVOLVE_STATE_DIR": ""}, HOME / ".local/state/evolve"),
        ({"XDG_STATE_HOME": "/some/state"}, Path("/some/state/evolve")),
        ({"XDG_STATE_HOME": "/some/state", "EVOLVE_STATE_DIR": "~/mine"}, HOME / "mine"),
        ({"EVOLVE_CACHE_DIR": "/cache", "XDG_CACHE_HOME": "/cache"}, HOME / ".local/state/evolve"),
    ],
)
def test_the_environment_names_the_folder(env: dict[str, str], folder: Path):
    assert state_folder(env) == folder
