"""The folder for what must be kept, unlike the cache folder: incidents, approvals and the audit log."""

from collections.abc import Mapping
from pathlib import Path


def state_folder(env: Mapping[str, str]) -> Path:
    """Return EVOLVE_STATE_DIR, else XDG_STATE_HOME/evolve, else ~/.local/state/evolve; it need not exist yet."""
    given = env.get("EVOLVE_STATE_DIR")
    if given:
        return Path(given).expanduser()
    return Path(env.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "evolve"
