"""A role's arguments: their specification, whether `defaults/` agrees with it, and values that must be refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SUFFIXES: Final = (".yml", ".yaml")
TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "raw": (object,),
    "json": (str, dict, list),
    "jsonarg": (str, dict, list),
    "bytes": (str, int),
    "bits": (str, int),
}
"""Ansible's types of options, and what YAML gives for them."""

_WRONG: Final[Mapping[str, Any]] = {
    "int": "not a number",
    "float": "not a number",
    "bool": "neither yes nor no",
    "list": {"not": "a list"},
    "dict": "no mapping",
}
"""A value that Ansible cannot convert to the type; there is none for strings."""


class _Located(dict[str, Any]):
    """A mapping that knows the line of each key."""

    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """Reads Ansible's YAML: values with a tag are read as plain values."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> _Located:
    found = _Located({str(key): value for key, value in loader.construct_mapping(node, deep=True).items()})
    # The constructed key, not its text: `yes` is True, and 0x10 is 16.
    found.lines = {str(loader.construct_object(key, deep=True)): key.start_mark.line + 1 for key, _ in node.value}
    return found


def _plain(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_multi_constructor("!", _plain)


@dataclass(frozen=True, slots=True)
class RoleArguments:
    """The arguments of a role's entry point `main`."""

    options: Mapping[str, Mapping[str, Any]] | None
    """None: the role has no argument specification."""
    specs: Path
    defaults: Mapping[str, Any]
    spots: Mapping[str, str]
    """`file:line` of each default."""
    problems: tuple[str, ...] = ()
    """Parts of the specification that cannot be read, each with `file:line`; `options` lacks them or has them empty."""


def read_arguments(role_dir: Path) -> RoleArguments:
    """Return the arguments of a role; raises yaml.YAMLError for a file that is not valid YAML."""
    specs, options, problems = _options(role_dir)
    defaults: dict[str, Any] = {}
    spots: dict[str, str] = {}
    for path in _default_files(role_dir):
        data = _load(path)
        defaults |= data
        spots |= {key: f"{path.relative_to(role_dir.parent)}:{data.lines[key]}" for key in data}
    return RoleArguments(options, specs, defaults, spots, tuple(problems))


def _options(role_dir: Path) -> tuple[Path, Mapping[str, Mapping[str, Any]] | None, list[str]]:
    files = [role_dir / "meta" / f"argument_specs{suffix}" for suffix in SUFFIXES]
    for path in (*files, *(role_dir / "meta" / f"main{suffix}" for suffix in SUFFIXES)):
        data = _load(path) if path.exists() else _empty()
        if data.get("argument_specs") is not None:
            return path, *_Specification(path.name).options(data)
    return files[0], None, []


class _Specification:
    """Reads one file of argument specifications, and collects what has the wrong shape."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[str] = []

    def options(self, data: _Located) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """Return the options of the entry point `main`, and the problems; an option that is no mapping is empty."""
        options = self._below(self._below(self._below(data, "argument_specs"), "main"), "options")
        return {name: self._option(options, name) for name in options}, self._problems

    def _below(self, parent: _Located, key: str) -> _Located:
        value = parent.get(key)
        if isinstance(value, _Located):
            return value
        if value is not None:
            self._note(parent, key, f"must be a mapping{_but_is(value)}")
        return _empty()

    def _option(self, options: _Located, name: str) -> Mapping[str, Any]:
        value = options[name]
        if not isinstance(value, _Located) or not value:
            self._note(options, name, f"must be a mapping with its type and description{_but_is(value)}")
            return {}
        wrong = {
            "type": not isinstance(value.get("type", ""), str),
            "choices": not isinstance(value.get("choices") or [], list),
        }
        for key in (key for key, is_wrong in wrong.items() if is_wrong):
            what = "one word" if key == "type" else "a list"
            self._note(value, key, f"of {name} must be {what}{_but_is(value[key])}")
        return {key: given for key, given in value.items() if not wrong.get(key)}

    def _note(self, parent: _Located, key: str, what: str) -> None:
        self._problems.append(f"{self._name}:{parent.lines[key]}: {key} {what}")


def _but_is(value: Any) -> str:
    return f", not {value!r}" if value else ", but it is empty"


def _default_files(role_dir: Path) -> list[Path]:
    found = [role_dir / "defaults" / f"main{suffix}" for suffix in SUFFIXES]
    folder = role_dir / "defaults" / "main"
    return [path for path in found if path.exists()] + sorted(p for s in SUFFIXES for p in folder.glob(f"*{s}"))


def _load(path: Path) -> _Located:
    data = yaml.load(path.read_text("utf-8"), Loader=_Loader)
    return data if isinstance(data, _Located) else _empty()


def _empty() -> _Located:
    empty = _Located()
    empty.lines = {}
    return empty


def disagreements(arguments: RoleArguments) -> tuple[list[str], list[str]]:
    """Return the contradictions between specification and defaults, and notes."""
    options = arguments.options or {}
    problems, notes = list(arguments.problems), []
    for name, value in arguments.defaults.items():
        spot = arguments.spots[name]
        if name not in options:
            if not name.startswith("_"):
                problems.append(f"{spot}: {name} has a default but is not documented in {arguments.specs.name}")
            continue
        problems += [f"{spot}: {name} {what}" for what in _wrong_default(value, options[name])]
    for name, option in options.items():
        problems += [f"{arguments.specs.name}: {name} {what}" for what in _wrong_option(option)]
        if name not in arguments.defaults and "default" in option:
            problems.append(f"{arguments.specs.name}: {name} documents a default that defaults/ does not set")
        elif name not in arguments.defaults and not option.get("required"):
            notes.append(f"{name} is optional and has no default")
    return problems, notes


def _wrong_default(value: Any, option: Mapping[str, Any]) -> Iterable[str]:
    if not option or _is_template(value):
        return
    if value is not None and not _is_of_type(value, str(option.get("type", "str"))):
        yield f"has the default {value!r}, which is not of the type {option.get('type', 'str')}"
    choices = option.get("choices")
    if choices and value is not None and not isinstance(value, list) and value not in choices:
        yield f"has the default {value!r}, which is not one of its choices {choices}"
    if "default" in option and not _is_template(option["default"]) and option["default"] != value:
        yield f"has the default {value!r}, but {option['default']!r} is documented"


def _wrong_option(option: Mapping[str, Any]) -> Iterable[str]:
    if not option:
        return  # reported when it was read
    if not option.get("description"):
        yield "has no description"
    if option.get("type", "str") not in TYPES:
        yield f"has the unknown type {option['type']!r}; known: {', '.join(TYPES)}"


def _is_of_type(value: Any, name: str) -> bool:
    kinds = TYPES.get(name, (object,))
    return isinstance(value, kinds) and (bool in kinds or object in kinds or not isinstance(value, bool))


def _is_template(value: Any) -> bool:
    """Return whether a value is a template, whose type is known only after rendering."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def wrong_values(arguments: RoleArguments) -> dict[str, Any]:
    """Return, for each option that has wrong values at all, a value that Ansible must refuse."""
    found: dict[str, Any] = {}
    for name, option in (arguments.options or {}).items():
        if option.get("choices"):
            found[name] = "none of the choices"
        elif option.get("type") in _WRONG:
            found[name] = _WRONG[str(option["type"])]
    return found
