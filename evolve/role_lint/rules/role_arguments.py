"""A role's arguments: which are documented wrongly, have no effect, or are overwritten."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.nodes import Entry, Node
from evolve.role_lint.rule import Match, Rule, in_homes

_TRUE: Final = ("true", "yes", "on", "1", "y", "t")
_FALSE: Final = ("false", "no", "off", "0", "n", "f", "", "none", "''", '""')
"""What Ansible converts to a boolean; a default that a run computes is described in words."""


def _options(home: TaskScope) -> dict[str, Entry]:
    specs = home.specs.get("argument_specs") if home.specs else None
    main = specs.get("main") if specs else None
    options = main.get("options") if main else None
    return dict(options.entries) if options else {}


def _differs(home: TaskScope) -> Iterator[Match]:
    for name, entry in _options(home).items():
        documented = entry.node.get("default")
        real = home.literals.defaults.get(name)
        if documented is None or real is None or _is_computed(documented) or _is_computed(real.node):
            continue
        if not _same(documented, real.node):
            yield Match(
                documented.spot,
                f"the default of `{name}` is {_short(real.node)} in defaults/, but {_short(documented)} here",
            )


def _is_computed(node: Node) -> bool:
    return any("{{" in item.text or "{%" in item.text for item in node.scalars())


def _same(documented: Node, real: Node) -> bool:
    if isinstance(real.value, bool):
        text = documented.text.strip().lower()
        return text in (_TRUE if real.value else _FALSE) or " " in text
    if _is_empty(real):
        # An empty value is written in many ways, and a default that a run computes is described in words.
        return _is_empty(documented) or " " in documented.text.strip()
    written = _comparable(documented)
    return _comparable(real) in (written, _read(documented), _joined(written))


def _is_empty(node: Node) -> bool:
    return not node.value or node.text in ("''", '""', "[]", "{}", "None", "none", "omit")


def _comparable(node: Node) -> object:
    if isinstance(node.value, tuple):
        return [_comparable(item) for item in node.value]
    if node.entries:
        return {key: _comparable(entry.node) for key, entry in node.entries.items()}
    # Ansible converts a default that is written as another type.
    return _scalar("" if node.value is None else node.value)


def _read(documented: Node) -> object:
    """Return a list or mapping that is documented as text, `"['a', 'b']"`, with its scalars as texts."""
    if not documented.text.lstrip().startswith(("[", "{")):
        return None
    try:
        return _as_texts(yaml.load(documented.text, yaml.BaseLoader))
    except (yaml.YAMLError, RecursionError):
        return None


def _as_texts(value: object) -> object:
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_texts(item) for key, item in value.items()}
    return _scalar(value)


def _scalar(value: object) -> str:
    text = str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _joined(written: object) -> object:
    """Return one mapping for a list of mappings with one key each, as some people document a mapping."""
    if isinstance(written, list) and written and all(isinstance(item, dict) and len(item) == 1 for item in written):
        return {key: value for item in written for key, value in item.items()}
    return None


def _short(node: Node) -> str:
    text = repr(node.plain)
    # A finding is one line, and the file has the whole value.
    return text if len(text) <= 60 else text[:57] + "..."


DIFFERS = Rule(
    id="documented-default-differs",
    what="`argument_specs` documents a different default than `defaults/`",
    why="Users rely on the documentation, but the role does something else.",
    fix="write the same value in both",
    find=in_homes(_differs),
)


def _find_shadowed(home: TaskScope) -> Iterator[Match]:
    for path, entries in home.variables.items():
        if Path(path).is_relative_to(home.folder / "defaults"):
            for name, entry in entries.items():
                if name in home.literals.fixed:
                    other = home.literals.fixed[name].spot
                    yield Match(
                        entry.spot,
                        f"{other.path}:{other.line} sets `{name}` too, and overrides this default and the inventory",
                    )


SHADOWED = Rule(
    id="default-shadowed",
    what="a name both in `defaults/` and in `vars/main`",
    why="The value in vars/ overrides the inventory too: the argument looks configurable but is not.",
    fix="keep it in defaults/ if users may change it, otherwise in vars/",
    find=in_homes(_find_shadowed),
)


def _rewritten(home: TaskScope) -> Iterator[Match]:
    for task in home.plain_tasks:
        if task.module != "set_fact" or task.is_guarded:
            continue
        for name, entry in task.args.items():
            grows = re.search(rf"\b{re.escape(name)}\b", entry.node.text) and re.search(
                rf"\{{\{{.*\b{re.escape(name)}\b.*\}}\}}", entry.node.text
            )
            if name in home.literals.defaults and grows and _adds(entry.node.text, name):
                yield Match(entry.spot, f"`{name}` is an argument that grows when the role runs twice in one play")


def _adds(text: str, name: str) -> bool:
    word = rf"\b{re.escape(name)}\b(?:\s*\|\s*default\([^()]*\))?"
    return bool(
        re.search(rf"\{{\{{\s*{word}\s*\}}\}}\s*\S|\S\s*\{{\{{\s*{word}\s*\}}\}}|{word}\s*[+~]|[+~]\s*{word}", text)
    )


REWRITTEN = Rule(
    id="argument-grows",
    what="`set_fact` that adds to the role's own argument",
    why="A fact outlives the role, so a second use of the role in one play starts from the result of the first.",
    fix='set another name (`_role_thing: "{{ role_thing + [...] }}"`)',
    find=in_homes(_rewritten),
)
