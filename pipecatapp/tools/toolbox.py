"""The one way to run tools: arguments are checked, calls end in time, and outputs are made fit to be read."""

import asyncio
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean
from pipecatapp.core.ports import Risk, ToolCall, ToolReason, ToolResult, ToolSpec
from pipecatapp.serving.logs import place_of
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.output import OutputFilter
from pipecatapp.tools.registry import Tool, ToolProblem, argument_problems

MAX_ARGUMENT_BYTES: Final = 64 * 1024
"""Of a call's arguments as JSON."""
_RISK_S: Final = 10.0
"""How long it may take to find out what a call can do."""
OK: Final = "ok"
"""How a call with a result is counted; all others by their reason."""
UNKNOWN: Final = "unknown"
"""How a call of a tool that does not exist is counted: its name comes from a model and is no label."""

_log = logging.getLogger("pipecatapp.tools")


def count_nothing(tool: str, result: str, seconds: float) -> None:
    """Take a call that ended and do nothing with it."""


class CheckedToolbox:
    """Runs tools; the implementation of the port `Toolbox`."""

    def __init__(
        self,
        tools: Iterable[Tool],
        context: ToolContext | None = None,
        *,
        env: Mapping[str, str] = os.environ,
        count: Callable[[str, str, float], None] = count_nothing,
    ) -> None:
        """Take the tools.

        Args:
            tools: in the order in which prompts and pages show them.
            context: what the tools get of the world.
            env: the process's variables, whose secrets are masked in outputs.
            count: gets each call that ended: the tool's name or UNKNOWN, OK or the reason, seconds.
        """
        self._tools = {tool.spec.name: tool for tool in tools}
        self._context = context or ToolContext()
        self._output = OutputFilter(env, self._context.config.secrets(), key=secrets.token_bytes(16))
        self._count = count

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return the tools in the order in which prompts and pages show them."""
        return tuple(tool.spec for tool in self._tools.values())

    async def risk(self, tool: str, arguments: Mapping[str, JsonValue]) -> Risk:
        """Return what a call can do; where that cannot be found out it is dangerous."""
        found = self._tools.get(tool)
        if found is None:
            return Risk.READ  # `run` refuses it
        if found.risk_of is None:
            return found.spec.risk
        try:
            _check_arguments(found, arguments)
        except ToolProblem:
            return found.spec.risk  # `run` refuses it, so that nobody needs to be asked
        try:
            async with asyncio.timeout(_RISK_S):
                return await found.risk_of(arguments, self._context)
        except (EnvironmentFault, TimeoutError):
            return Risk.DANGER
        except Exception as error:  # our bug must not let a call pass
            _log.error("risk of tool %s: %s", tool, place_of(error))
            return Risk.DANGER

    async def run(self, call: ToolCall, session_id: str) -> ToolResult:  # noqa: ARG002 - no tool has a state of a session
        """Run a call and return its result; whatever goes wrong is a result, too."""
        began = time.monotonic()
        result = await self._result(call)
        known = call.tool if call.tool in self._tools else UNKNOWN
        self._count(known, result.reason or OK, time.monotonic() - began)
        return result

    async def _result(self, call: ToolCall) -> ToolResult:
        try:
            text, reason = await self._answer(call), ToolReason.NONE
        except ToolProblem as problem:
            text, reason = str(problem), problem.reason
        except EnvironmentFault as fault:
            text, reason = str(fault), ToolReason.FAILED
        except Exception as error:  # our bug must end neither the turn nor the service
            _log.error("tool %s: %s", call.tool, place_of(error))
            text, reason = f"the tool has a bug: {type(error).__name__}", ToolReason.FAILED
        shown = await asyncio.to_thread(self._output.apply, text)
        return ToolResult(shown, is_error=reason is not ToolReason.NONE, reason=reason)

    async def _answer(self, call: ToolCall) -> str:
        tool = self._tools.get(call.tool)
        if tool is None:
            hint = did_you_mean(call.tool, self._tools)
            raise ToolProblem(ToolReason.UNKNOWN_TOOL, f"there is no tool {call.tool[:40]!r}{hint and f' ({hint})'}")
        _check_arguments(tool, call.arguments)
        limit = asyncio.timeout(tool.spec.timeout_s)
        try:
            async with limit:
                return await tool.run(call.arguments, self._context)
        except TimeoutError:
            if not limit.expired():
                raise
            message = f"no result after {tool.spec.timeout_s:g} s; the call was ended"
            raise ToolProblem(ToolReason.TIMEOUT, message) from None


def _check_arguments(tool: Tool, arguments: Mapping[str, JsonValue]) -> None:
    try:
        size = len(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace"))
    except (TypeError, ValueError, RecursionError):
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, "the arguments are no JSON") from None
    if size > MAX_ARGUMENT_BYTES:
        message = f"expected at most {MAX_ARGUMENT_BYTES:,} bytes of arguments, got {size:,}"
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, message)
    problems = argument_problems(tool, arguments)
    if problems:
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, "\n".join(problems))
