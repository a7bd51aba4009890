"""Reads agent files and their demo banks."""

from collections.abc import Sequence
from pathlib import Path

from evolve.core.evaluation.agent_files import read_agent
from evolve.core.evaluation.agent_prompts import DemoBank
from evolve.core.formats.yaml12 import read_document
from evolve.core.model.agents import Agent, Demo, Render
from evolve.core.model.errors import CannotEvaluate, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean
from evolve.system.disk_faults import reason_of

AGENTS_DIR = Path(__file__).parent.parent / "agents"
"""The agents that come with the package."""


def find_agent(name: str, folders: Sequence[Path] = (AGENTS_DIR, Path())) -> Path:
    """Return the agent file of a name, or of a path that ends in `.md`.

    A name is searched for in the folders: by default the agents that come with the package, then `NAME.md` in the
    working folder.

    Raises:
        InputError: there is no such agent; the hint has the known ones.
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
    hint = did_you_mean(name, known) or f"known: {', '.join(known)}; give your own agent by its file, NAME.md"
    raise InputError(Problem(f"no agent {name!r}", None, hint))


def load_agent(path: Path) -> Agent:
    """Return the agent of a file.

    Raises:
        InputError: the file is wrong; with every problem.
    """
    return read_agent(_read(path), str(path))


def load_bank(agent: Agent, path: Path, render: Render) -> DemoBank | None:
    """Return the demos that the agent in `path` asks for, rendered and indexed; None when it has none.

    Raises:
        InputError: the bank is missing or malformed.
    """
    if agent.demos is None:
        return None
    demos = load_demos(agent, path)
    try:
        return DemoBank(agent, agent.demos, demos, render)
    except CannotEvaluate as error:
        where = Location(str(path.parent / agent.demos.bank))
        raise InputError(Problem(f"a demo cannot be shown by {agent.name}: {error}", where)) from None


def load_demos(agent: Agent, path: Path) -> list[Demo]:
    """Return the demos in the bank of the agent in `path`; raise what `load_bank` raises."""
    if agent.demos is None:
        return []
    bank = path.parent / agent.demos.bank
    if not bank.resolve().is_relative_to(path.parent.resolve()):
        text = f"demos.bank: {agent.demos.bank} is outside the agent's folder"
        raise InputError(Problem(text, Location(str(path)), "move the bank next to the agent file or below it"))
    document = read_document(_read(bank), str(bank))
    entries = document.value
    if not isinstance(entries, list):
        raise InputError(Problem("expected a demo bank: a list of {vars, output, family, key}", document.locate()))
    problems = [
        Problem("a demo needs 'vars' (a mapping) and 'output'", document.locate(number))
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
        raise InputError(Problem(f"cannot read: {reason_of(error)}", Location(str(path)))) from None
