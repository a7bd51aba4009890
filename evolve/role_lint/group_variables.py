"""The variables of `group_vars`, for each project of a repository its own."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from evolve.role_lint.literals import merge_levels
from evolve.role_lint.nodes import Entry, Reader
from evolve.role_lint.role_folders import yaml_files

_PLACES = ("group_vars", "inventory/group_vars", "playbooks/group_vars", "inventories/*/group_vars")


class GroupVariables:
    """Reads the `group_vars` of some folders, and gives each role what the folders above it have."""

    def __init__(self, roots: Iterable[Path], reader: Reader) -> None:
        read = ((root, _read(root, reader)) for root in roots)
        # Resolved, because a root may be written as `role/..`.
        self._levels = {root.resolve(): levels for root, levels in read if levels}

    def of(self, folder: Path) -> Mapping[str, Entry]:
        """Return the variables that apply in a folder; a name with two values is left out."""
        here = folder.resolve()
        return merge_levels(level for root in (here, *here.parents) for level in self._levels.get(root, ()))


def _read(root: Path, reader: Reader) -> list[Mapping[str, Entry]]:
    folders = [path for place in _PLACES for path in sorted(root.glob(place))]
    return [node.entries for folder in folders for path in yaml_files(folder) for node in reader.read_one(path)]
