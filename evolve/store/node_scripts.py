"""The user's JavaScript and TypeScript in Node.js: finds Node, starts it once, checks files before they run."""

import asyncio
import json
import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from evolve.core.javascript.engine import JavaScriptError, to_engine_json
from evolve.core.javascript.node_needs import is_typescript
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError, Location, Problem
from evolve.core.model.js_result import JsResult
from evolve.core.model.node_calls import NodeCall
from evolve.store.node_problems import package_problem, problem_of, shown, tsx_command
from evolve.system.node_child import NodeChild
from evolve.system.node_program import JAVASCRIPT_VERSION, TYPESCRIPT_VERSION, find_node

_CHECK_LIMIT_S = 60.0
"""For parsing a file and all that it imports; it takes milliseconds, and a busy machine longer."""


class NodeScripts:
    """Implements `evolve.core.model.ports.Node`; one process of Node serves all calls, and ends with this object.

    Args:
        env: the environment of the user's code, and where Node is found.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env: Mapping[str, str] = dict(os.environ if env is None else env)
        self._children: dict[str, NodeChild] = {}
        self._least = JAVASCRIPT_VERSION
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._close = weakref.finalize(self, _end_all, self._children)

    def use_env(self, env: Mapping[str, str]) -> None:
        """Change the environment of the user's code: that of the suite is known only when its file is read."""
        if env == self._env:
            return
        self._env = dict(env)
        for child in self._children.values():
            child.submit({"op": "env", "env": self._env})

    async def result(self, call: NodeCall) -> JsResult:
        """See `Node.result`."""
        child, answer = self._submit(call)
        try:
            async with asyncio.timeout(call.time_limit_s):
                message = await asyncio.wrap_future(answer)
        except TimeoutError:
            raise _stop(child, call) from None
        return _result_of(message, call)

    def result_now(self, call: NodeCall) -> JsResult:
        """See `Node.result_now`."""
        child, answer = self._submit(call)
        try:
            message = answer.result(call.time_limit_s)
        except TimeoutError:
            raise _stop(child, call) from None
        return _result_of(message, call)

    def problems(self, path: str) -> Sequence[Problem]:
        """See `Node.problems`."""
        if path not in self._problems:
            self._problems[path] = self._find_problems(path)
        return self._problems[path]

    def code_problems(self, code: str, folder: str, where: Location | None) -> Sequence[Problem]:
        """See `Node.code_problems`."""
        try:
            found = self._found({"op": "checkCode", "body": code, "folder": folder}, None)
        except EnvironmentFault as fault:
            return (Problem(f"this code cannot run: {fault.message}", where, fault.hint, is_missing_here=True),)
        except CannotEvaluate as error:
            return (Problem(str(error), where),)
        return tuple(package_problem(item["name"], folder, where) for item in found)

    def close(self) -> None:
        """End Node; a later call starts it again."""
        _end_all(self._children)

    def _find_problems(self, path: str) -> tuple[Problem, ...]:
        try:
            found = self._check(path)
            if any(item["kind"] == "esm" for item in found) and self._least < TYPESCRIPT_VERSION:
                self._least = TYPESCRIPT_VERSION  # a newer Node looks at the syntax, if there is one
                found = self._check(path)
        except EnvironmentFault as fault:
            hint = f"{fault.hint}; or type: {tsx_command(path)}" if is_typescript(path) else fault.hint
            message = f"this file cannot run: {fault.message}"
            return (Problem(message, Location(shown(path)), hint, is_missing_here=True),)
        except CannotEvaluate as error:
            return (Problem(str(error), Location(shown(path))),)
        return tuple(problem_of(item) for item in found)

    def _check(self, path: str) -> list[dict[str, Any]]:
        return self._found({"op": "check", "path": path, "tsx": _tsx_folder(path)}, path)

    def _found(self, call: Mapping[str, object], path: str | None) -> list[dict[str, Any]]:
        answer = self._child(path).submit(call)
        try:
            message = answer.result(_CHECK_LIMIT_S)
        except TimeoutError:
            raise CannotEvaluate(f"reading the code took longer than {_CHECK_LIMIT_S:g} s") from None
        if message["kind"] == "error":
            raise JavaScriptError(message["name"], message["message"], message["stack"])
        found: list[dict[str, Any]] = json.loads(message["text"])
        return found

    def _submit(self, call: NodeCall) -> "tuple[NodeChild, Future[dict[str, Any]]]":
        fields = {"op": call.operation, **json.loads(to_engine_json(dict(call.fields)))}
        if call.path is not None:
            problems = self.problems(call.path)
            if problems:
                raise InputError(problems)
            fields["tsx"] = _tsx_folder(call.path)
        child = self._child(call.path)
        return child, child.submit(fields)

    def _child(self, path: str | None) -> NodeChild:
        least = self._least
        if path is not None and is_typescript(path) and not _tsx_folder(path):
            least = max(least, TYPESCRIPT_VERSION)
        program = find_node(self._env, least).path
        child = self._children.get(program)
        if child is None or not child.is_running:
            child = self._children[program] = NodeChild(program, self._env)
        return child


def _end_all(children: dict[str, NodeChild]) -> None:
    while children:
        children.popitem()[1].kill("Node.js was ended")


def _stop(child: NodeChild, call: NodeCall) -> CannotEvaluate:
    """End Node, because only that stops code that never returns; calls in flight get the same error."""
    reason = f"JavaScript in Node.js ran longer than {call.time_limit_s:g} s and was stopped: {shown(call.name)}"
    child.kill(reason)
    return CannotEvaluate(reason)


def _result_of(message: Mapping[str, Any], call: NodeCall) -> JsResult:
    kind = message["kind"]
    if kind == "error":
        raise JavaScriptError(message["name"], message["message"] + _line(message["stack"], call), message["stack"])
    if kind == "json":
        return JsResult("json", json.loads(message["text"]))
    if kind == "bigint":
        return JsResult("bigint", int(message["shown"]))
    return JsResult(kind, None, message.get("shown", ""))


def _line(stack: str, call: NodeCall) -> str:
    """Return the line of the user's file where the code threw, or nothing if the stack does not have it."""
    if call.path is None:
        return ""
    _, found, rest = stack.partition(f"{call.path}:")
    line = rest.partition(":")[0]
    return f" ({shown(call.path)}:{line})" if found and line.isdigit() else ""


def _tsx_folder(path: str) -> str | None:
    """Return the folder above a TypeScript file whose `node_modules` has tsx; None when there is none."""
    if not is_typescript(path):
        return None
    folder = os.path.dirname(path)
    while not os.path.isfile(os.path.join(folder, "node_modules", "tsx", "package.json")):
        folder, before = os.path.dirname(folder), folder
        if folder == before:
            return None
    return folder
