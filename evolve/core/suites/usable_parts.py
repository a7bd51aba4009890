"""What can be used of a part of a suite that has problems, so that one problem does not hide the others.

An unknown key is left out, an assertion with a problem becomes None, and so does an entry of a list of the config. Of
a part that has another problem nothing can be used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from evolve.core.formats.schema_check import Kind, Path

LISTS: Final = frozenset(("prompts", "providers", "targets", "tests", "scenarios"))
"""Top-level keys of a config whose entries are read one by one."""


@dataclass(slots=True)
class Flaws:
    """The places of the problems of one document."""

    keys: set[Path] = field(default_factory=set)
    """Keys that mean nothing where they are."""
    values: set[Path] = field(default_factory=set)
    """Everything else that has a problem."""

    def note(self, path: Path, kind: Kind = "value") -> None:
        """Note a problem that is not only a warning."""
        (self.keys if kind in ("unknown key", "mistaken key") else self.values).add(path)

    def usable_config(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config with what can be used of its lists; top-level keys with problems were left out before."""
        cuts = {assertion_of(path) or path[:2] for path in self.values if len(path) > 1 and _is_cut(path)}
        # What code or a file makes of settings that lack a key would be other problems than the user's.
        cuts |= {path[:2] for path in self.keys if len(path) > 2 and _names_a_file(config, path)}
        made: dict[str, Any] = self._without(config, (), cuts)
        return made

    def usable(self, value: Any, base: Path) -> Any:
        """Return what can be used of a part; None where that is nothing.

        Args:
            value: the part.
            base: its path, from which the paths of problems start.
        """
        inside = [path for path in self.values if path[: len(base)] == base]
        cuts = {assertion_of(path) for path in inside}
        return None if None in cuts else self._without(value, base, {cut for cut in cuts if cut})

    def _without(self, value: Any, base: Path, cuts: set[Path]) -> Any:
        for path in sorted(self.keys, key=len, reverse=True):
            if path[: len(base)] == base and len(path) > len(base):
                value = _changed(value, path[len(base) :], lambda holder, name: holder.pop(name, None))
        for path in cuts:
            value = _changed(value, path[len(base) :], _cut)
        return value


def _cut(holder: Any, key: str | int) -> None:
    holder[key] = None  # the others keep their indexes, and so their places


def _is_cut(path: Path) -> bool:
    return (path[0] in LISTS and isinstance(path[1], int)) or assertion_of(path) is not None


def _names_a_file(config: Any, path: Path) -> bool:
    entries = config.get(path[0])
    entry = entries[path[1]] if path[0] == "tests" and isinstance(entries, list) and isinstance(path[1], int) else None
    return isinstance(entry, dict) and "path" in entry


def assertion_of(path: Path) -> Path | None:
    """Return the path of the innermost assertion that holds a place; None when none does."""
    for end in range(len(path), 1, -1):
        if path[end - 2] == "assert" and isinstance(path[end - 1], int):
            return path[:end]
    return None


def _changed(value: Any, path: Path, change: Callable[[Any, Any], object]) -> Any:
    """Return a copy with a change at a path; the original where there is no such place.

    Args:
        value: what is copied, as far as the path leads.
        path: of the place.
        change: called with the copied holder of the place, and its key there.
    """
    key, *rest = path
    if isinstance(value, list):
        if not isinstance(key, int) or key >= len(value):
            return value
    elif not isinstance(value, dict) or key not in value:
        return value
    made = value.copy()
    if rest:
        made[key] = _changed(value[key], tuple(rest), change)
    else:
        change(made, key)
    return made
