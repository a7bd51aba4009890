"""`is-valid-openai-tools-call` and `is-valid-(openai-)function-call`: calls fit their declarations.

All ignore `not-`, as promptfoo does.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote
from evolve.core.formats.json_schemas import compile_json_schema
from evolve.core.formats.json_text import parse_json
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_MCP_FAULT = re.compile(r"MCP Tool Error \(([^)]+)\): (.+)")
_MCP_RESULT = re.compile(r"MCP Tool Result \(([^)]+)\):")
# The ids of OpenAI's chat providers: `openai:MODEL` is one, but `openai:KIND:MODEL` of another kind is not.
_CHAT = re.compile(
    r"(openai(?!:(completion|embedding|embeddings|assistant|image|moderation|realtime|transcription|tts)\b)|llamacpp):"
)


class _UnfitError(Exception):
    """The output is no valid call; the message is the verdict's reason."""


@assertion_type("is-valid-openai-tools-call")
def is_valid_openai_tools_call(check: AssertionInput) -> Verdict:
    """Pass when every call names a tool of the provider's `config.tools` and fits that tool's parameters."""
    mcp = _mcp_verdict(check.text)
    return mcp or _verdict(lambda: _check_tool_calls(check))


@assertion_type("is-valid-function-call", "is-valid-openai-function-call")
def is_valid_function_call(check: AssertionInput) -> Verdict:
    """Pass when the call names a function of the provider's `config.functions` and fits its parameters."""
    return _verdict(lambda: _check_function_call(check))


def _mcp_verdict(text: str) -> Verdict | None:
    """Return the verdict for the result of an MCP tool, which is text with a mark in it; None without a mark."""
    if "MCP Tool Error" in text:
        found = _MCP_FAULT.search(text)
        name, message = found.groups() if found else ("unknown", "unknown error")
        return Verdict(False, 0.0, f"The MCP tool {name} failed: {message}")
    if "MCP Tool Result" in text:
        result = _MCP_RESULT.search(text)
        return Verdict(True, 1.0, f"The MCP tool {result[1] if result else 'unknown'} answered")
    return None


def _verdict(check_calls: Callable[[], None]) -> Verdict:
    try:
        check_calls()
    except _UnfitError as exc:
        return Verdict(False, 0.0, str(exc))
    return Verdict(True, 1.0, "Assertion passed")


def _check_tool_calls(check: AssertionInput) -> None:
    output = check.output
    calls = output["tool_calls"] if isinstance(output, dict) and "tool_calls" in output else output
    if not isinstance(calls, list) or not calls or not all(map(_is_tool_call, calls)):
        raise _UnfitError(
            f"Expected tool calls, each with function.name and function.arguments as text, got {quote(to_json(calls))}"
        )
    tools = _declarations(check, "tools")
    if not tools:
        raise _UnfitError("The output calls tools, but the provider declares none; add them to its config.tools")
    functions = [tool["function"] for tool in tools if tool.get("type") == "function" and "function" in tool]
    for call in calls:
        _check_call(_mapping_or_none(_mapping_or_none(call).get("function")), functions)


def _is_tool_call(call: JsonValue) -> bool:
    return isinstance(call, dict) and _is_call(call.get("function"))


def _is_call(function: JsonValue) -> bool:
    return isinstance(function, dict) and all(isinstance(function.get(key), str) for key in ("name", "arguments"))


def _check_function_call(check: AssertionInput) -> None:
    provider = check.evaluation.provider
    if not _CHAT.match(provider.id):
        raise _UnfitError(f"Expected an openai:chat provider, got {provider.name}, which has no function calls")
    output = check.output
    call = output["function_call"] if isinstance(output, dict) and "function_call" in output else output
    if not _is_call(call):
        raise _UnfitError(f"Expected a function call with name and arguments as text, got {quote(to_json(call))}")
    _check_call(_mapping_or_none(call), _declarations(check, "functions"))


def _check_call(call: Mapping[str, JsonValue], functions: Iterable[JsonValue]) -> None:
    name, arguments = str(call["name"]), str(call["arguments"])
    parameters = next(
        (function.get("parameters") for function in map(_mapping_or_none, functions) if function.get("name") == name),
        None,
    )
    try:
        given = parse_json(arguments)
    except ValueError as exc:
        raise _UnfitError(f"Expected JSON as the arguments of {name}: {exc}: {quote(arguments)}") from None
    if not isinstance(parameters, dict):
        raise _UnfitError(f"The output calls {name}, but no function of that name is declared with parameters")
    try:
        problem = compile_json_schema(parameters)(given)
    except CannotEvaluate as exc:
        raise _UnfitError(f"The parameters that {name} declares are not a valid schema: {exc}") from None
    if problem:
        raise _UnfitError(f"The arguments of {name} do not fit its parameters: {problem}")


def _declarations(check: AssertionInput, key: str) -> list[dict[str, JsonValue]]:
    """Return the provider's `config.tools` or `config.functions`; the list and its entries may be file://."""
    declared = _load(check, check.evaluation.provider.config.get(key))
    entries = declared if isinstance(declared, list) else [] if declared is None else [declared]
    flat: list[dict[str, JsonValue]] = []
    for entry in entries:
        loaded = _load(check, entry)
        flat += (item for item in (loaded if isinstance(loaded, list) else [loaded]) if isinstance(item, dict))
    return flat


def _load(check: AssertionInput, value: JsonValue) -> JsonValue:
    if not isinstance(value, str) or not value.startswith("file://"):
        return value
    path = value.removeprefix("file://")
    try:
        return parse_yaml(check.tools.files.read_text(path), path)
    except InputError as exc:
        raise CannotEvaluate(str(exc)) from exc


def _mapping_or_none(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
