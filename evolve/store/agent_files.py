"""Writes agents to disk: the file, and the bank of its demos next to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from evolve.core.evaluation.agent_prompts import digest_vars, search_key
from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.agents import Agent, AgentInput, Demo, DemoSettings, Render
from evolve.core.model.json_value import JsonValue
from evolve.store.agents import load_agent, load_bank
from evolve.system.atomic_files import write_together

_SETTINGS = DemoSettings("")


def agent_text(agent: Agent) -> str:
    """Return the text of the agent's file, which `load_agent` reads back."""
    front: dict[str, JsonValue] = {
        "name": agent.name,
        "version": agent.version,
        "description": agent.description,
        "inputs": {item.name: _input(item) for item in agent.inputs},
        "output": dict(agent.output),
        "model": agent.model,
    }
    if agent.sampling:
        front["sampling"] = dict(agent.sampling)
    if agent.scratch:
        front["scratch"] = list(agent.scratch)
    if agent.copy:
        front["copy"] = list(agent.copy)
    if agent.demos:
        front["demos"] = _demos(agent.demos)
    if agent.parent:
        front["parent"] = agent.parent
    if agent.evidence:
        front["evidence"] = agent.evidence
    body = "\n\n".join(f"## {section.title}\n{section.body}" for section in agent.sections)
    return f"---\n{dump_yaml(front, flow_leaves=True)}---\n{body}\n"


def bank_text(agent: Agent, demos: Sequence[Demo], render: Render) -> str:
    """Return the demos as the text of a bank: the vars that the agent shows, and the longer text that it searches."""
    entries: list[JsonValue] = []
    for demo in demos:
        shown = digest_vars(agent, demo.vars)
        entry: dict[str, JsonValue] = {"vars": shown, "output": demo.output, "family": demo.family}
        key = search_key(agent, demo.vars, render) if demo.key is None else demo.key
        if agent.demos and agent.demos.select != "static" and agent.demos.digest:
            entry["key"] = key
        entries.append(entry)
    return f"# The demos of {agent.name}: solved cases as the agent shows them.\n" + dump_yaml(entries)


def write_agent(path: Path, agent: Agent, demos: Sequence[Demo], render: Render) -> list[Path]:
    """Write the agent and, when it shows demos, their bank; both are read back before they replace the old files.

    Args:
        path: the agent's file; the bank goes to `demos/` next to it.
        agent: the agent.
        demos: its solved cases; ignored when the agent shows none.
        render: renders the agent's templates, to check the bank.

    Returns:
        The files written.

    Raises:
        StoreFault: a file cannot be written; both keep their old content then.
    """
    texts: dict[Path, str] = {}
    if agent.demos:
        agent = replace(agent, demos=replace(agent.demos, bank=f"demos/{agent.name.lower()}.yaml"))
        assert agent.demos is not None
        texts[path.parent / agent.demos.bank] = bank_text(agent, demos, render)
    texts[path] = agent_text(agent)
    write_together(texts, lambda parts: _read_back(parts[path], parts, render))
    return [*texts]


def _read_back(agent_part: Path, parts: Mapping[Path, Path], render: Render) -> None:
    """Raise InputError unless the new files are an agent and its bank."""
    agent = load_agent(agent_part)
    if agent.demos:
        bank = parts[agent_part.parent / agent.demos.bank]
        load_bank(replace(agent, demos=replace(agent.demos, bank=f"demos/{bank.name}")), agent_part, render)


def _input(item: AgentInput) -> dict[str, JsonValue]:
    show: JsonValue = list(item.show) or None
    named: Mapping[str, JsonValue] = {"schema": item.schema, "digest": item.digest_chars, "show": show}
    return {name: value for name, value in named.items() if value is not None}


def _demos(settings: DemoSettings) -> dict[str, JsonValue]:
    """Return the settings that differ from their defaults, and those that a reader always wants to see."""
    fields = asdict(settings)
    always = ("bank", "select", "k")
    return {name: value for name, value in fields.items() if name in always or value != getattr(_SETTINGS, name)}
