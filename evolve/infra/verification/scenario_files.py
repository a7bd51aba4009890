"""A scenario's YAML files: their content, and the place of each problem in them."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from evolve.core.model.errors import Location, Problem
from evolve.core.text.did_you_mean import did_you_mean

_SUFFIXES: Final = (".yaml", ".yml")
_DEPTH: Final = 5
"""Down to which depth keys have lines; an alias may contain itself, so there must be an end."""

Place: TypeAlias = tuple[str | int, ...]
"""The way to a value, such as `("platforms", 0, "env")`."""


class ScenarioFiles:
    """Reads the files of one scenario, and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[Path, Mapping[Place, int]] = {}
        self.problems: list[Problem] = []

    def own(self, stem: str) -> Path:
        """Return the path of the file `STEM.yaml` or `STEM.yml`, even if none exists; both at once are a problem."""
        found = [path for suffix in _SUFFIXES if (path := self._folder / f"{stem}{suffix}").exists()]
        if len(found) > 1:
            self.problem(f"{found[0].name} exists too: only one of them would be read; remove one", found[1])
        return found[0] if found else self._folder / f"{stem}{_SUFFIXES[0]}"

    def read(self, path: Path, default: Any, *, changed: Callable[[str], str] = str) -> Any:
        """Return the content of a file, or `default` when it does not exist, is empty or is not valid YAML.

        Args:
            path: the file.
            default: what to return instead of a content.
            changed: applied to the text before it is parsed.
        """
        if not path.exists():
            return default
        try:
            text = changed(path.read_text("utf-8"))
            data = yaml.safe_load(text)
            self._lines[path] = _lines(yaml.compose(text, Loader=yaml.SafeLoader))
        except (OSError, UnicodeDecodeError) as error:
            self.problem(f"cannot be read: {error}", path)
            return default
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else None
            self.problems.append(Problem(getattr(error, "problem", None) or str(error), Location(str(path), line)))
            return default
        return default if data is None else data

    def problem(self, message: str, path: Path, place: Place = (), *, hint: str = "") -> None:
        """Note a problem.

        Args:
            message: what is wrong.
            path: the file.
            place: where in it, for the line; the empty place has no line.
            hint: what to do.
        """
        line = self._lines.get(path, {}).get(place)
        self.problems.append(Problem(message, Location(str(path), line), hint))

    def read_mapping(self, value: Any, path: Path, place: Place = ()) -> dict[str, Any]:
        """Return the value if it is a mapping, and an empty one for None; anything else is a problem."""
        if value is None or isinstance(value, dict):
            return value or {}
        self.problem(f"{_place_name(place)}must be a mapping, not {value!r}", path, place)
        return {}

    def read_list(self, value: Any, path: Path, place: Place = ()) -> list[Any]:
        """Return the value if it is a list, and an empty one for None; anything else is a problem."""
        if value is None or isinstance(value, list):
            return value or []
        self.problem(f"{_place_name(place)}must be a list, not {value!r}", path, place)
        return []

    def has_only(self, part: Mapping[str, Any], known: Collection[str], path: Path, place: Place = ()) -> None:
        """Note each unknown key as a problem, with the key that was probably meant.

        Args:
            part: the mapping.
            known: the keys that it may have.
            path: the file that it is in.
            place: where in the file.
        """
        for key in part:
            if key not in known:
                hint = did_you_mean(str(key), known) or f"known: {', '.join(known)}"
                self.problem(
                    f"unknown key {'.'.join(map(str, (*_words(place), key)))!r}", path, (*place, key), hint=hint
                )

    def entries(
        self, parts: Any, path: Path, place: Place = (), *, needed: Collection[str], other: Collection[str] = ()
    ) -> list[tuple[Place, dict[str, Any]]]:
        """Return the entries of a list of mappings that have their required keys, each with its place.

        Args:
            parts: what the file has there; anything but a list or None is a problem.
            path: the file.
            place: where in it the list is.
            needed: keys without which an entry is a problem, and not returned.
            other: further keys that are allowed; any other key is a problem.
        """
        good = []
        for number, part in enumerate(self.read_list(parts, path, place)):
            at = (*place, number)
            entry = part if isinstance(part, dict) else {}
            self.has_only(entry, (*needed, *other), path, at)
            missing = [key for key in needed if not entry.get(key)]
            if missing:
                where = f"{place[-1]}: " if place else ""
                self.problem(f"{where}entry {number + 1} lacks {', '.join(missing)}", path)
            else:
                good.append((at, entry))
        return good


def _place_name(place: Place) -> str:
    name = ".".join(_words(place))
    return f"{name} " if name else ""


def _words(place: Place) -> list[str]:
    """Return the words of a place, such as `platforms[0]` and `env`: a list's index belongs to the word before it."""
    words: list[str] = []
    for step in place:
        if isinstance(step, int):
            words[-1:] = [f"{words[-1] if words else ''}[{step}]"]
        else:
            words.append(str(step))
    return words


def _lines(node: yaml.Node | None, place: Place = ()) -> dict[Place, int]:
    """Return the line of each key and each entry."""
    found: dict[Place, int] = {}
    if isinstance(node, yaml.MappingNode):
        below = [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    elif isinstance(node, yaml.SequenceNode):
        below = [(number, value, value) for number, value in enumerate(node.value)]
    else:
        return found
    for step, marked, value in below:
        found[(*place, step)] = marked.start_mark.line + 1
        if len(place) < _DEPTH:
            found |= _lines(value, (*place, step))
    return found
