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
        self._levels = {root.absolute(): _read(root, reader) for root in roots}

    def of(self, folder: Path) -> Mapping[str, Entry]:
        """Return the variables that apply in a folder; a name with two values is left out."""
        here = folder.absolute()
        return merge_levels(
            level for root, levels in self._levels.items() if _is_inside(here, root) for level in levels
        )


def _is_inside(folder: Path, root: Path) -> bool:
    # As resolved as needed: a root may be written as `role/..`.
    return folder.resolve().is_relative_to(root.resolve())


def _read(root: Path, reader: Reader) -> list[Mapping[str, Entry]]:
    folders = [path for place in _PLACES for path in sorted(root.glob(place))]
    return [node.entries for folder in folders for path in yaml_files(folder) for node in reader.read_one(path)]
