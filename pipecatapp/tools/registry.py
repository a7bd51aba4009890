"""What a tool is: a function with a name, a schema of its arguments, a risk and a time-out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from evolve.core.formats.schema_check import Check, compile_schema
from evolve.core.model.errors import EvolveError
from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import Risk, ToolReason, ToolSpec
from pipecatapp.tools.context import ToolContext

Arguments: TypeAlias = Mapping[str, JsonValue]
Function: TypeAlias = Callable[[Arguments, ToolContext], Awaitable[str]]
RiskOf: TypeAlias = Callable[[Arguments, ToolContext], Awaitable[Risk]]


class ToolProblem(EvolveError):
    """A call that gives no result; its text is for the agent and for people."""

    def __init__(self, reason: ToolReason, message: str) -> None:
        """Take why there is no result.

        Args:
            reason: of the closed set.
            message: what happened, and what to do about it.
        """
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what people see of it, and its function."""

    spec: ToolSpec
    run: Function
    """Gets arguments that fit the schema. Raises ToolProblem, or EnvironmentFault where what it needs failed."""
    check: Check
    risk_of: RiskOf | None = None
    """Gets arguments that fit the schema, and returns the risk of this call; None where all have the tool's."""


def tool(
    name: str,
    schema: Mapping[str, JsonValue],
    *,
    risk: Risk,
    timeout_s: float,
    risk_of: RiskOf | None = None,
) -> Callable[[Function], Tool]:
    """Return a decorator that makes a tool of a function; the first line of its docstring describes the tool.

    Args:
        name: one of TWIN_AGENT's.
        schema: JSON Schema of the arguments; an object that names all its properties.
        risk: what an ordinary call can do.
        timeout_s: after which a call ends.
        risk_of: says what one call can do, where some are dangerous.
    """
    closed = {"type": "object", "additionalProperties": False, **schema}

    def decorate(function: Function) -> Tool:
        description = (function.__doc__ or "").partition("\n")[0].rstrip(".")
        spec = ToolSpec(name, description, closed, risk, timeout_s, Risk.DANGER if risk_of else None)
        return Tool(spec, function, compile_schema(closed), risk_of)

    return decorate


def argument_problems(tool: Tool, arguments: object) -> list[str]:
    """Return what is wrong with arguments, a sentence for each problem; empty when they fit the schema."""
    found: list[str] = []

    def report(path: tuple[str | int, ...], message: str, hint: str = "", kind: str = "value") -> None:  # noqa: ARG001
        place = ".".join(str(part) for part in path)
        text = f"{place}: {message}" if place else message
        found.append(f"{text} ({hint})" if hint else text)

    tool.check(arguments, (), report)
    return found


def text_of(arguments: Arguments, name: str, default: str = "") -> str:
    """Return an argument that the schema holds to be text."""
    found = arguments.get(name, default)
    return found if isinstance(found, str) else default


def needed_text(arguments: Arguments, name: str, why: str) -> str:
    """Return an argument that some calls need.

    Args:
        arguments: that fit the schema.
        name: of the argument.
        why: which calls need it.

    Raises:
        ToolProblem: it is missing.
    """
    found = text_of(arguments, name)
    if not found:
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, f"the argument {name!r} is missing: {why}")
    return found
