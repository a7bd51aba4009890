"""What a check verifies: a role, on hosts of a release."""

from pathlib import Path
from typing import NamedTuple


class Subject(NamedTuple):
    """A role on a release."""

    role_dir: Path
    release: str
