"""An agent: a Markdown file with YAML front matter and named sections."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue

CASE_SECTION = "Case"
"""The section that shows the case; a template over the agent's inputs."""

Render = Callable[[str, Mapping[str, JsonValue]], str]


@dataclass(frozen=True, slots=True)
class Section:
    """One `##` section of the prompt."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class AgentInput:
    """One variable that the prompt takes."""

    name: str
    schema: str | None = None
    """File name of its JSON Schema, beside the agent file."""
    digest_chars: int | None = None
    """The variable is a failed job's diagnostics, shown as a digest of at most so many characters."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Which solved cases the prompt shows."""

    bank: str
    """Path of the bank, beside the agent file."""
    select: Literal["static", "nearest", "likely"] = "nearest"
    """The first ones; those most like the case; or those most like it among the demos of the answer that the case's
    words speak for (`core/retrieval/word_classifier.py`)."""
    k: int = 4
    style: Literal["turns", "text"] = "turns"
    """As chat turns, or as text in the case's own message."""
    digest: int | None = None
    """By how many characters of a report demos are chosen; None for as many as are shown."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One solved case."""

    vars: Mapping[str, JsonValue]
    output: JsonValue
    family: str = ""
    key: str | None = None
    """The text by which it is found; None for the case as it is shown."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent file, read and checked."""

    name: str
    version: int
    description: str
    inputs: tuple[AgentInput, ...]
    output: Mapping[str, JsonValue]
    """JSON Schema of the answer."""
    model: str
    sections: tuple[Section, ...]
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    demos: DemoSettings | None = None
    parent: str | None = None
    evidence: JsonValue = None

    @property
    def title(self) -> str:
        """Name and version, as records name it."""
        return f"{self.name}@{self.version}"

    def section(self, title: str) -> str:
        """The body of a section, empty when there is none."""
        return next((section.body for section in self.sections if section.title == title), "")


@dataclass(frozen=True, slots=True)
class AgentPrompt:
    """A rendered prompt: chat messages and the settings of the call."""

    messages: tuple[Mapping[str, str], ...]
    config: Mapping[str, JsonValue]

    @property
    def text(self) -> str:
        """The messages as JSON, the form in which suites hand a chat to a provider."""
        return json.dumps(list(self.messages), ensure_ascii=False)


def parse_agent(front: Mapping[str, JsonValue], body: str, file: str) -> Agent:
    """The agent of a file's front matter and body.

    Raises:
        InputError: with every problem of the file at once.
    """
    problems = [Problem(message, Location(file)) for message in _front_problems(front)]
    sections = _sections(body)
    if not any(section.title == CASE_SECTION for section in sections):
        problems.append(
            Problem(f"section '## {CASE_SECTION}' is missing: it shows the case to the agent", Location(file))
        )
    if problems:
        raise InputError(problems)
    demos = front.get("demos")
    return Agent(
        name=str(front["name"]),
        version=int(str(front["version"])),
        description=str(front["description"]),
        inputs=tuple(_input(name, settings) for name, settings in _mapping(front["inputs"]).items()),
        output=_mapping(front["output"]),
        model=str(front["model"]),
        sections=sections,
        sampling=_mapping(front.get("sampling")),
        demos=DemoSettings(**demos) if isinstance(demos, dict) else None,  # type: ignore[arg-type]  # checked above
        parent=str(front["parent"]) if front.get("parent") else None,
        evidence=front.get("evidence"),
    )


def _sections(body: str) -> tuple[Section, ...]:
    parts = re.split(r"^## +(.+?) *$", body, flags=re.M)
    return tuple(Section(title, text.strip()) for title, text in zip(parts[1::2], parts[2::2], strict=True))


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _input(name: str, settings: JsonValue) -> AgentInput:
    known = _mapping(settings)
    schema, chars = known.get("schema"), known.get("digest")
    return AgentInput(name, str(schema) if schema else None, int(chars) if isinstance(chars, int) else None)


_FRONT_KEYS: Mapping[str, type] = {
    "name": str,
    "version": int,
    "description": str,
    "inputs": dict,
    "output": dict,
    "model": str,
}
_OPTIONAL_KEYS: Mapping[str, type] = {"sampling": dict, "demos": dict, "parent": str, "evidence": dict}
_DEMO_KEYS = {"bank": str, "select": str, "k": int, "style": str, "digest": int}
_SELECTS = ("static", "nearest", "likely")


def _front_problems(front: Mapping[str, JsonValue]) -> list[str]:
    problems = [f"front matter: '{key}' is missing" for key in _FRONT_KEYS if key not in front]
    known = {**_FRONT_KEYS, **_OPTIONAL_KEYS}
    for key, value in front.items():
        if key not in known:
            problems.append(f"front matter: unknown key '{key}'; known: {', '.join(known)}")
        elif not isinstance(value, known[key]):
            problems.append(f"front matter: '{key}' must be a {known[key].__name__}, not {value!r}")
    demos = front.get("demos")
    if isinstance(demos, dict):
        problems.extend(_demo_problems(demos))
    return problems


def _demo_problems(demos: Mapping[str, JsonValue]) -> list[str]:
    problems = [f"front matter: demos: unknown key '{key}'" for key in demos if key not in _DEMO_KEYS]
    problems += [
        f"front matter: demos: '{key}' must be a {kind.__name__}"
        for key, kind in _DEMO_KEYS.items()
        if key in demos and not isinstance(demos[key], kind)
    ]
    if "bank" not in demos:
        problems.append("front matter: demos: 'bank' is missing")
    if demos.get("select", "nearest") not in _SELECTS:
        problems.append(f"front matter: demos: 'select' must be one of {', '.join(_SELECTS)}")
    if demos.get("style", "turns") not in ("turns", "text"):
        problems.append("front matter: demos: 'style' must be turns or text")
    return problems
