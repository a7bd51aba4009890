"""The agent that chooses tools, from its file: the prompt as its suite measured it, with the tools that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.core.evaluation.evidence import MODELS, evidence_of_model
from evolve.core.model.agents import Agent, AgentPrompt, Section
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import ToolSpec
from pipecatapp.core.twin import NO_TOOL
from pipecatapp.serving.agent_file import AgentFile

_INPUT = "request"
_FIELD = "tool"
_MEASURED = ("test", "gate")
"""Splits that show how well a model chooses, the better first."""
_TOOLS = "Tools"
"""The section of the agent's file with a line for each tool."""


class ChoiceAgent:
    """TWIN_AGENT, or another agent with the input `request` and the answer `{tool: NAME}`."""

    def __init__(self, name: str) -> None:
        """Read an agent.

        Args:
            name: of the agent, or its file.

        Raises:
            InputError: there is no such agent, its file is wrong, or it asks for other inputs.
        """
        self._file = AgentFile(name)
        self._agent = self._file.agent
        if [one.name for one in self._agent.inputs] != [_INPUT] or _FIELD not in _properties(self._agent):
            hint = "evolve/agents/TWIN_AGENT.md is one"
            text = f"expected an agent with the input {_INPUT!r} and the output {_FIELD!r}"
            raise InputError(Problem(text, Location(str(self._file.path)), hint))

    @property
    def title(self) -> str:
        """NAME@VERSION."""
        return self._agent.title

    def accuracy(self, provider_id: str) -> float | None:
        """Return the share of right choices, if the agent's file was measured with this model.

        It is that of the cases which no search and no gate read, the split `test`, where they were measured, else
        that of the gate's.
        """
        record = evidence_of_model(self._agent.evidence, provider_id, self._agent.model)
        if provider_id != self._agent.model and not _names(self._agent.evidence, provider_id):
            return None
        splits = record.get("splits")
        shares = [_accuracy(splits.get(name)) for name in _MEASURED] if isinstance(splits, dict) else []
        return next((share for share in shares if share is not None), None)

    def prompt(self, request: str, tools: Sequence[ToolSpec]) -> AgentPrompt:
        """Return the prompt for a request; only the tools that there are can be answered."""
        agent = replace(self._agent, output=_output(self._agent, tools), sections=_sections(self._agent, tools))
        return self._file.prompt({_INPUT: request}, agent)

    def choice_of(self, answer: JsonValue) -> str | None:
        """Return the tool that an answer names; None where it names none."""
        found = answer.get(_FIELD) if isinstance(answer, dict) else None
        return found if isinstance(found, str) else None


def _names(evidence: JsonValue, provider_id: str) -> bool:
    """Whether the evidence has a record of this model by its name."""
    models = evidence.get(MODELS) if isinstance(evidence, dict) else None
    return isinstance(models, dict) and provider_id in models


def _accuracy(split: JsonValue) -> float | None:
    found = split.get("accuracy") if isinstance(split, dict) else None
    return float(found) if isinstance(found, int | float) else None


def _properties(agent: Agent) -> Mapping[str, JsonValue]:
    found = agent.output.get("properties")
    return found if isinstance(found, dict) else {}


def _output(agent: Agent, tools: Sequence[ToolSpec]) -> dict[str, JsonValue]:
    names: list[JsonValue] = [*(one.name for one in tools), NO_TOOL]
    return {**agent.output, "properties": {**_properties(agent), _FIELD: {"enum": names}}}


def _sections(agent: Agent, tools: Sequence[ToolSpec]) -> tuple[Section, ...]:
    """The sections with a line for each tool that the file does not know. Its own words stay: they were measured."""
    known = agent.section(_TOOLS)
    missing = [one for one in tools if f"\n{one.name}:" not in f"\n{known}"]
    lines = "\n".join([known, *(f"{one.name}: {one.description}" for one in missing)])
    return tuple(Section(one.title, lines) if one.title == _TOOLS else one for one in agent.sections)
