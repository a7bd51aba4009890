"""A world of simulated tools: its table, read and checked, and what a call does to its state."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from string import Template
from typing import Any, Final, NamedTuple

from evolve.core.formats.function_calls import FunctionCall
from evolve.core.formats.json_schemas import compile_json_schema
from evolve.core.formats.schema_check import Check, Path, compile_schema
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue

State = Mapping[str, JsonValue]
MAX_CHARS: Final = 100_000
"""Of result and state as JSON. A table with `$text$text` doubles a text, and a model may repeat its call at will."""
_ONE_NAME: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
"""A text that is nothing but the name of an argument: its value keeps its type."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One row of a tool's table: what a call returns and changes, if arguments and state are these."""

    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    """Values that the call must have; a list has several. Other arguments may have any."""
    state: State = field(default_factory=dict)
    """Values that the state must have."""
    changes: State = field(default_factory=dict)
    """Values that the state then gets."""
    text: JsonValue = ""
    """What the tool returns."""


@dataclass(frozen=True, slots=True)
class SimulatedTool:
    """A tool by its table; the first row that fits counts."""

    rows: tuple[ToolResult, ...] = ()
    parameters: JsonValue = None
    """JSON Schema of the arguments; None for any."""
    is_last: bool = False
    """A call of it ends the conversation (a tool such as `hand_over`)."""


@dataclass(frozen=True, slots=True)
class World:
    """Tools by name, and the state before the first call."""

    tools: Mapping[str, SimulatedTool]
    state: State = field(default_factory=dict)


class Effect(NamedTuple):
    """What came of one call."""

    result: JsonValue
    state: State
    is_error: bool
    """The tool is unknown, its arguments do not fit, or no row of its table does."""


def check_world(value: JsonValue, path: Path, report: Callable[..., None]) -> None:
    """Report every problem of a world as a suite writes it: `{state, tools}`."""
    _checker()(value, path, report)
    for name, table in _mapping(_mapping(value).get("tools")).items():
        try:
            if parameters := _mapping(_mapping(table).get("parameters")):
                compile_json_schema(parameters)
        except CannotEvaluate as error:
            report((*path, "tools", name, "parameters"), str(error))


def parse_world(value: JsonValue, changes: JsonValue = None) -> World:
    """Return a world of a suite.

    Args:
        value: `{state, tools}`.
        changes: the state's values that this test has instead; None for none.

    Raises:
        CannotEvaluate: it is malformed; the message names every place.
    """
    problems: list[str] = []

    def note(path: Sequence[str | int], message: str, hint: str = "", kind: str = "") -> None:  # noqa: ARG001
        problems.append(f"{'.'.join(map(str, path))}: {message}" + (f" ({hint})" if hint else ""))

    check_world(value, ("simulation",), note)
    if changes is not None and not isinstance(changes, dict):
        problems.append("state: expected a mapping of names to values")
    if problems or not isinstance(value, dict):
        raise CannotEvaluate("; ".join(problems))
    return World(
        {name: _tool(table) for name, table in _mapping(value.get("tools")).items()},
        {**_mapping(value.get("state")), **_mapping(changes)},
    )


def call_tool(world: World, state: State, call: FunctionCall) -> Effect:
    """Return what a call returns, and the state after it."""
    tool = world.tools.get(call.name)
    if tool is None:
        return Effect(f"unknown tool {call.name}; known: {', '.join(sorted(world.tools))}", state, True)
    problem = _misfit(tool, call.arguments)
    if problem:
        return Effect(f"wrong arguments: {problem}", state, True)
    names = {**state, **call.arguments}
    for row in tool.rows:
        if _fits(row, state, call.arguments, names):
            changes = {str(_fill(key, names)): _fill(value, names) for key, value in row.changes.items()}
            return _bounded(call.name, state, Effect(_fill(row.text, names), {**state, **changes}, False))
    return Effect("" if tool.is_last else f"{call.name} did nothing: no such thing", state, not tool.is_last)


def _bounded(name: str, state: State, effect: Effect) -> Effect:
    """Return the effect, or an error and the state as it was where there would be too much of it."""
    if len(_shown([effect.result, dict(effect.state)])) <= MAX_CHARS:
        return effect
    return Effect(f"{name} did nothing: result and state would have more than {MAX_CHARS} characters", state, True)


def _misfit(tool: SimulatedTool, arguments: Mapping[str, JsonValue]) -> str:
    return (compile_json_schema(tool.parameters)(dict(arguments)) or "") if tool.parameters else ""


def _fits(row: ToolResult, state: State, arguments: Mapping[str, JsonValue], names: State) -> bool:
    # Of the state alone: `pin: $pin` would be true of any pin that is given.
    given = all(
        key in arguments and _is_one_of(arguments[key], _fill(wanted, state)) for key, wanted in row.arguments.items()
    )
    return given and all(
        _is_one_of(state.get(str(_fill(key, names))), _fill(wanted, names)) for key, wanted in row.state.items()
    )


def _is_one_of(value: JsonValue, wanted: JsonValue) -> bool:
    return any(_plain(value) == _plain(one) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _plain(value: JsonValue) -> str:
    """Return a value as text in which equal to people is equal: `Hall light` and `hall light`, 80 and "80"."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return " ".join(text.casefold().split())


def _fill(value: JsonValue, names: State) -> JsonValue:
    """Return a value with `$name` replaced by the argument, or the state's value, of that name."""
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    if not isinstance(value, str) or "$" not in value:
        return value
    alone = _ONE_NAME.fullmatch(value)
    name = (alone[1] or alone[2]) if alone else None
    if name is not None and name in names:
        return names[name]
    return Template(value).safe_substitute({key: _shown(item) for key, item in names.items()})


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tool(table: JsonValue) -> SimulatedTool:
    given = _mapping(table)
    results, parameters = given.get("results"), given.get("parameters")
    return SimulatedTool(
        tuple(_row(_mapping(row)) for row in (results if isinstance(results, list) else [])),
        parameters,
        given.get("ends") is True,
    )


def _row(row: Mapping[str, JsonValue]) -> ToolResult:
    return ToolResult(
        _mapping(row.get("arguments")), _mapping(row.get("state")), _mapping(row.get("set")), row.get("result", "done")
    )


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


@cache
def _checker() -> Check:
    schema: Any = json.loads(FilePath(__file__).with_name("world.schema.json").read_text("utf-8"))
    return compile_schema(schema)
