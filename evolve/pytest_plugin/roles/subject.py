"""What a check of a role is about: the role, and the release of its hosts."""

from pathlib import Path
from typing import NamedTuple


class Subject(NamedTuple):
    """A role on a release."""

    role_dir: Path
    release: str
