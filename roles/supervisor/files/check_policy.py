"""Checks a policy as the supervisor reads it: exit code 0, or each mistake with its line and exit code 2."""

import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.cli._guard import run_guarded
from evolve.core.healing.policy_file import read_policy


def main(arguments: Sequence[str]) -> int:
    """Read the policy of the file that the only argument names."""
    (name,) = arguments
    read_policy(Path(name).read_text(encoding="utf-8"), name)
    return 0


sys.exit(run_guarded(main, sys.argv[1:]))
