"""An agent: a Markdown file with YAML front matter and named sections."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue

CASE_SECTION = "Case"
"""The section that shows the case: a template with the agent's inputs."""

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
    """File name of its JSON Schema, relative to the agent file."""
    digest_chars: int | None = None
    """For a failed job's diagnostics: show them as a digest of at most this many characters. None shows the value."""
    show: tuple[str, ...] = ()
    """Keys of the diagnostics that the digest shows too, each on a line of its own: `image`, `limits` or `usage`."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the prompt chooses and shows solved cases."""

    bank: str
    """Path of the bank, relative to the agent file."""
    select: Literal["static", "nearest", "likely"] = "nearest"
    """static: the first ones. nearest: those most similar to the case. likely: the most similar ones among the demos of
    the answer that the case's words indicate (`core/retrieval/word_classifier.py`)."""
    k: int = 4
    """Demos to show. With the embedded model four near ones are better than eight, and each costs time."""
    style: Literal["turns", "text"] = "turns"
    """turns: as chat turns. text: inside the case's own message."""
    digest: int | None = None
    """Characters of a report that are used to choose demos; None for as many as are shown."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One solved case."""

    vars: Mapping[str, JsonValue]
    output: JsonValue
    family: str = ""
    key: str | None = None
    """The text by which it is found; None for the case as the prompt shows it."""


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
    scratch: tuple[str, ...] = ()
    """Text fields that the agent writes before those of its output; callers never see them."""
    copy: tuple[str, ...] = ()
    """Fields of the output whose value is copied from the case: the call's schema has the values that the case has."""

    @property
    def title(self) -> str:
        """NAME@VERSION, as in records."""
        return f"{self.name}@{self.version}"

    def section(self, title: str) -> str:
        """Return the body of a section; empty when there is none."""
        return next((section.body for section in self.sections if section.title == title), "")


@dataclass(frozen=True, slots=True)
class AgentPrompt:
    """A rendered prompt: chat messages and the settings of the call."""

    messages: tuple[Mapping[str, str], ...]
    config: Mapping[str, JsonValue]

    @property
    def text(self) -> str:
        """The messages as JSON, the form in which suites pass a chat to a provider."""
        return json.dumps(list(self.messages), ensure_ascii=False)


Locate = Callable[[tuple[str, ...], bool], Location]
"""Returns the place of a part of the front matter, by its keys: of the key itself for True, of its value for False."""


def parse_agent(
    front: Mapping[str, JsonValue],
    body: str,
    file: str,
    *,
    locate: Locate | None = None,
    further: Sequence[Problem] = (),
) -> Agent:
    """Return the agent of a file's front matter and body.

    Args:
        front: the parsed front matter.
        body: the Markdown after it.
        file: the file's name, for messages.
        locate: finds the parts of the front matter; with None messages name only the file.
        further: other problems of the file; they are raised together with those found here.

    Raises:
        InputError: with every problem of the file at once.
    """
    find = locate or (lambda _path, _is_key: Location(file))
    problems = [Problem(message, find(path, is_key)) for path, is_key, message in _front_problems(front)]
    sections = _sections(body)
    if not any(section.title == CASE_SECTION for section in sections):
        problems.append(
            Problem(f"section '## {CASE_SECTION}' is missing: add one that shows the case to the agent", Location(file))
        )
    problems += further
    if problems:
        raise InputError(sorted(problems, key=_spot))
    demos = front.get("demos")
    return Agent(
        name=str(front["name"]),
        version=int(str(front["version"])),
        description=str(front["description"]),
        inputs=tuple(_input(name, settings) for name, settings in _mapping_or_empty(front["inputs"]).items()),
        output=_mapping_or_empty(front["output"]),
        model=str(front["model"]),
        sections=sections,
        sampling=_mapping_or_empty(front.get("sampling")),
        demos=DemoSettings(**demos) if isinstance(demos, dict) else None,  # type: ignore[arg-type]  # checked above
        parent=str(front["parent"]) if front.get("parent") else None,
        evidence=front.get("evidence"),
        scratch=tuple(map(str, _list_or_empty(front.get("scratch")))),
        copy=tuple(map(str, _list_or_empty(front.get("copy")))),
    )


def _spot(problem: Problem) -> tuple[int, int]:
    where = problem.where
    return (where.line or 0, where.column or 0) if where else (0, 0)


def _sections(body: str) -> tuple[Section, ...]:
    parts = re.split(r"^## +(.+?) *$", body, flags=re.M)
    return tuple(Section(title, text.strip()) for title, text in zip(parts[1::2], parts[2::2], strict=True))


def _mapping_or_empty(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list_or_empty(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _input(name: str, settings: JsonValue) -> AgentInput:
    known = _mapping_or_empty(settings)
    schema, chars = known.get("schema"), known.get("digest")
    show = tuple(map(str, _list_or_empty(known.get("show"))))
    return AgentInput(name, str(schema) if schema else None, int(chars) if isinstance(chars, int) else None, show)


_FRONT_KEYS: Mapping[str, type] = {
    "name": str,
    "version": int,
    "description": str,
    "inputs": dict,
    "output": dict,
    "model": str,
}
_OPTIONAL_KEYS: Mapping[str, type] = {
    "sampling": dict,
    "demos": dict,
    "parent": str,
    "evidence": dict,
    "scratch": list,
    "copy": list,
}
_DEMO_KEYS: Mapping[str, type] = {"bank": str, "select": str, "k": int, "style": str, "digest": int}
_SELECTS = ("static", "nearest", "likely")
_INPUT_KEYS: Mapping[str, type] = {"schema": str, "digest": int, "show": list}
_SHOWN = ("image", "limits", "usage")
_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", dict: "a mapping", list: "a list"}

_Found = tuple[tuple[str, ...], bool, str]
"""The keys of a wrong part, whether the key itself is wrong rather than its value, and the message."""


def _front_problems(front: Mapping[str, JsonValue]) -> Iterator[_Found]:
    for key in _FRONT_KEYS:
        if key not in front:
            yield (), False, f"front matter: '{key}' is missing"
        elif key == "name" and front[key] == "":
            # An empty model is no mistake of the file: --provider or EVOLVE_PROVIDER may name who answers.
            yield (key,), False, "front matter: 'name' is empty"
    yield from _kind_problems(front, {**_FRONT_KEYS, **_OPTIONAL_KEYS}, (), "front matter")
    inputs, demos = front.get("inputs"), front.get("demos")
    for name, settings in (inputs if isinstance(inputs, dict) else {}).items():
        if isinstance(settings, dict):
            yield from _input_problems(name, settings)
        elif settings is not None:
            yield ("inputs", name), False, f"front matter: inputs: '{name}' must be a mapping, not {settings!r}"
    if isinstance(demos, dict):
        yield from _demo_problems(demos)
    if isinstance(front.get("scratch"), list):
        yield from _scratch_problems(_list_or_empty(front["scratch"]), _mapping_or_empty(front.get("output")))
    if isinstance(front.get("copy"), list):
        yield from _copy_problems(_list_or_empty(front["copy"]), _mapping_or_empty(front.get("output")))


def _input_problems(name: str, settings: Mapping[str, JsonValue]) -> Iterator[_Found]:
    what = f"front matter: inputs: {name}"
    yield from _kind_problems(settings, _INPUT_KEYS, ("inputs", name), what)
    for key in _list_or_empty(settings.get("show")):
        if key not in _SHOWN:
            yield ("inputs", name, "show"), False, f"{what}: show: expected some of {', '.join(_SHOWN)}, got {key!r}"
    if "show" in settings and "digest" not in settings:
        yield ("inputs", name, "show"), True, f"{what}: 'show' adds to a digest, so it needs 'digest'"


def _scratch_problems(names: Sequence[JsonValue], output: Mapping[str, JsonValue]) -> Iterator[_Found]:
    fields = _fields_of(output)
    for name in names:
        if not isinstance(name, str) or not name:
            yield ("scratch",), False, f"front matter: scratch: expected names of fields, got {name!r}"
        elif any(isinstance(own, dict) and name in own for own in fields):
            yield ("scratch",), False, f"front matter: scratch: {name!r} is a field of the output itself"
    if names and not (fields and all(isinstance(own, dict) for own in fields)):
        yield (
            ("scratch",),
            True,
            "front matter: 'scratch' needs an output with 'properties', before which it is written",
        )


def _copy_problems(names: Sequence[JsonValue], output: Mapping[str, JsonValue]) -> Iterator[_Found]:
    known = dict.fromkeys(name for own in _fields_of(output) if isinstance(own, dict) for name in own)
    for name in names:
        if name not in known:
            yield ("copy",), False, f"front matter: copy: {name!r} is no field of the output; known: {', '.join(known)}"


def _fields_of(output: Mapping[str, JsonValue]) -> list[JsonValue]:
    """The `properties` of the output, or of each of several objects."""
    choice = output.get("anyOf")
    objects = [one for one in choice if isinstance(one, dict)] if isinstance(choice, list) else [output]
    return [one.get("properties") for one in objects]


def _kind_problems(
    given: Mapping[str, JsonValue], known: Mapping[str, type], path: tuple[str, ...], what: str
) -> Iterator[_Found]:
    for key, value in given.items():
        if key not in known:
            yield (*path, key), True, f"{what}: unknown key '{key}'; known: {', '.join(known)}"
        elif not isinstance(value, known[key]) or isinstance(value, bool):
            yield (*path, key), False, f"{what}: '{key}' must be {_KINDS[known[key]]}, not {value!r}"


def _demo_problems(demos: Mapping[str, JsonValue]) -> Iterator[_Found]:
    what = "front matter: demos"
    yield from _kind_problems(demos, _DEMO_KEYS, ("demos",), what)
    if "bank" not in demos:
        yield ("demos",), True, f"{what}: 'bank' is missing"
    if demos.get("select", "nearest") not in _SELECTS:
        yield ("demos", "select"), False, f"{what}: 'select' must be one of {', '.join(_SELECTS)}"
    if demos.get("style", "turns") not in ("turns", "text"):
        yield ("demos", "style"), False, f"{what}: 'style' must be turns or text"
