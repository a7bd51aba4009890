"""A module's arguments, written as a mapping or as one line of `key=value`."""

import re
from collections.abc import Mapping
from typing import Final

from evolve.role_lint.nodes import Entry, Node
from evolve.role_lint.words import COMMAND_OPTIONS, FREE_FORM, INCLUDES

# Words as Ansible splits them: spaces inside of Jinja's braces and of quotes do not separate.
_WORD: Final = re.compile(r"""(?:\{\{.*?\}\}|\{%.*?%\}|"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'])+""", re.DOTALL)
_PAIR: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def module_arguments(module: str, given: Node, extra: Node | None) -> tuple[Mapping[str, Entry], Node | None]:
    """Return the arguments by name, and the command of a module that accepts free text (None for others)."""
    options = dict(extra.entries) if extra else {}
    if given.entries:
        options = dict(given.entries) | options
        command = next((options[key].node for key in ("cmd", "_raw_params") if key in options), None)
        return options, command or (_argv(options) if module in FREE_FORM else None)
    if given.is_list or not given.text:
        return options, _argv(options) if module in FREE_FORM else None
    if module in FREE_FORM or module in INCLUDES:
        return _command_options(given) | options, given
    return _pairs(given) | options, None


def _argv(options: Mapping[str, Entry]) -> Node | None:
    words = options.get("argv") or options.get("cmd")
    if words is None or not words.node.is_list:
        return words.node if words else None
    text = " ".join(item.text for item in words.node.items)
    return Node(words.node.spot, text, text)


def _pairs(given: Node) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for word in _WORD.finditer(given.text):
        pair = _PAIR.fullmatch(word[0])
        if pair:
            found[pair[1]] = Entry(given.spot, _text(given, pair[2]))
    return found


def _command_options(given: Node) -> dict[str, Entry]:
    return {key: entry for key, entry in _pairs(given).items() if key in COMMAND_OPTIONS}


def _text(given: Node, text: str) -> Node:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    value: str | bool = {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)
    return Node(given.spot, value, text)
