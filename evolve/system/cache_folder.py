"""The folder for what may be deleted at any time: answers, locks, the state of what runs in the background."""

from collections.abc import Mapping
from pathlib import Path

from evolve.core.model.errors import StoreFault
from evolve.system.disk_faults import store_fault


def given_cache_folder(env: Mapping[str, str]) -> Path | None:
    """Return the folder that EVOLVE_CACHE_DIR names; None when it is not set."""
    given = env.get("EVOLVE_CACHE_DIR")
    return Path(given).expanduser() if given else None


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return EVOLVE_CACHE_DIR, else XDG_CACHE_HOME/evolve, else ~/.cache/evolve; the folder need not exist yet."""
    return given_cache_folder(env) or Path(env.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evolve"


def make_cache_folder(path: Path) -> Path:
    """Return a folder below the cache folder, made when it is missing; only its owner may read it.

    Raises:
        StoreFault: it cannot be made; the hint has the variable that sets another place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise cache_fault(f"cannot make the folder {path}", path, error) from error
    return path


def cache_fault(what: str, path: Path, error: Exception) -> StoreFault:
    """Return the fault for something in the cache folder; the hint is to set EVOLVE_CACHE_DIR."""
    return store_fault(what, path, error, hint="set EVOLVE_CACHE_DIR to a folder that can be written")
