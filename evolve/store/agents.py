"""Agent files and their demo banks, read from disk."""

from collections.abc import Sequence
from pathlib import Path

from evolve.core.evaluation.agent_prompts import DemoBank
from evolve.core.formats.front_matter import split_front_matter
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.agents import Agent, Demo, Render, parse_agent
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

AGENTS_DIR = Path(__file__).parent.parent / "agents"
"""The agents that come with the package."""


def find_agent(name: str, folders: Sequence[Path] = (AGENTS_DIR, Path())) -> Path:
    """Return the agent file of a name, or of a path that ends in `.md`.

    A name is looked for in the folders: it is one of the agents that come with the package, else a file `NAME.md` in
    the working folder.

    Raises:
        InputError: there is none; the message names those there are.
    """
    if name.endswith(".md"):
        path = Path(name)
        if path.is_file():
            return path
        here = [str(path.with_name(file.name)) for file in path.parent.glob("*.md")]
        raise InputError(Problem("no such agent file", Location(name), did_you_mean(name, here)))
    for folder in folders:
        path = folder / f"{name}.md"
        if path.is_file():
            return path
    known = sorted(file.stem for file in AGENTS_DIR.glob("*.md"))
    hint = did_you_mean(name, known) or f"known: {', '.join(known)}; an agent of yours is named by its file, NAME.md"
    raise InputError(Problem(f"no agent {name!r}", None, hint))


def load_agent(path: Path) -> Agent:
    """The agent of a file.

    Raises:
        InputError: with every problem of the file.
    """
    front, body = split_front_matter(_read(path), str(path))
    return parse_agent(front, body, str(path))


def load_bank(agent: Agent, path: Path, render: Render) -> DemoBank | None:
    """The demos that the agent in `path` asks for, rendered and indexed; None when it asks for none.

    Raises:
        InputError: the bank is missing or malformed.
    """
    return DemoBank(agent, agent.demos, load_demos(agent, path), render) if agent.demos else None


def load_demos(agent: Agent, path: Path) -> list[Demo]:
    """The demos in the bank of the agent in `path`; raises as `load_bank` does."""
    if agent.demos is None:
        return []
    bank = path.parent / agent.demos.bank
    entries = parse_yaml(_read(bank), str(bank))
    if not isinstance(entries, list):
        raise InputError(Problem("a demo bank is a list of {vars, output, family, key}", Location(str(bank))))
    problems = [
        Problem("a demo needs 'vars' (a mapping) and 'output'", Location(str(bank), path=f"[{number}]"))
        for number, entry in enumerate(entries)
        if not _is_demo(entry)
    ]
    if problems:
        raise InputError(problems)
    return [_demo(entry) for entry in entries]


def _is_demo(entry: JsonValue) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("vars"), dict) and "output" in entry


def _demo(entry: JsonValue) -> Demo:
    assert isinstance(entry, dict)
    shown = entry["vars"]
    assert isinstance(shown, dict)
    key = entry.get("key")
    return Demo(shown, entry["output"], str(entry.get("family", "")), None if key is None else str(key))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot read: {error}", Location(str(path)))) from None
