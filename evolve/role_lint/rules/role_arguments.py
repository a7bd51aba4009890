"""A role's arguments: what is documented, what has an effect, what is overwritten."""

import re
from collections.abc import Iterator
from pathlib import Path

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.nodes import Entry, Node
from evolve.role_lint.rule import Match, Rule, in_homes


def _options(home: TaskScope) -> dict[str, Entry]:
    specs = home.specs.get("argument_specs") if home.specs else None
    main = specs.get("main") if specs else None
    options = main.get("options") if main else None
    return dict(options.entries) if options else {}


def _differs(home: TaskScope) -> Iterator[Match]:
    for name, entry in _options(home).items():
        told = entry.node.get("default")
        real = home.literals.defaults.get(name)
        if told is None or real is None or _is_computed(told) or _is_computed(real.node):
            continue
        if not _same(told, real.node):
            yield Match(
                told.spot, f"the default of `{name}` is {_short(real.node)} in defaults/, here it is {_short(told)}"
            )


def _is_computed(node: Node) -> bool:
    return any("{{" in item.text or "{%" in item.text for item in node.scalars())


def _same(told: Node, real: Node) -> bool:
    if _is_empty(real):
        # "Nothing" is written in many ways, and a default worked out at run time is told in words.
        return _is_empty(told) or " " in told.text.strip()
    if isinstance(real.value, bool):
        return (told.text.lower() in ("true", "yes", "on", "1")) == real.value
    return _comparable(told) == _comparable(real)


def _is_empty(node: Node) -> bool:
    return not node.value or node.text in ("''", '""', "[]", "{}", "None", "none", "omit")


def _comparable(node: Node) -> object:
    if isinstance(node.value, tuple):
        return [_comparable(item) for item in node.value]
    if node.entries:
        return {key: _comparable(entry.node) for key, entry in node.entries.items()}
    # A default that is written as another type is converted to the argument's type.
    text = "" if node.value is None else str(node.value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _short(node: Node) -> str:
    text = repr(node.plain)
    return text if len(text) <= 60 else text[:57] + "..."


DIFFERS = Rule(
    id="documented-default-differs",
    what="`argument_specs` tells another default than `defaults/`",
    why="People rely on what is documented; the role does something else.",
    mend="write the same value in both",
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
                        f"{other.path}:{other.line} sets `{name}` too, and wins over this default and the inventory",
                    )


SHADOWED = Rule(
    id="default-shadowed",
    what="a name both in `defaults/` and in `vars/main`",
    why="The value in vars/ wins over the inventory too: the argument looks adjustable and is not.",
    mend="keep it in defaults/ if people may change it, in vars/ if not",
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
                yield Match(entry.spot, f"`{name}` is an argument, and grows when the role runs twice in one play")


def _adds(text: str, name: str) -> bool:
    word = rf"\b{re.escape(name)}\b(?:\s*\|\s*default\([^()]*\))?"
    return bool(
        re.search(rf"\{{\{{\s*{word}\s*\}}\}}\s*\S|\S\s*\{{\{{\s*{word}\s*\}}\}}|{word}\s*[+~]|[+~]\s*{word}", text)
    )


REWRITTEN = Rule(
    id="argument-grows",
    what="`set_fact` adds to the role's own argument",
    why="A fact outlives the role: the second use in one play starts from the result of the first.",
    mend='set another name (`_role_thing: "{{ role_thing + [...] }}"`)',
    find=in_homes(_rewritten),
)
