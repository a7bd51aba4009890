"""What Node.js is asked to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from evolve.core.model.json_value import JsonValue

CALL_LIMIT_S = 60.0
"""For one call. Node's code may wait for the network, other than that of the embedded engine."""


@dataclass(frozen=True, slots=True)
class NodeCall:
    """One call; made by `file_call`, `hook_call`, `code_call` or `provider_call`."""

    operation: Literal["call", "hook", "run", "provider"]
    name: str
    """What runs, for messages."""
    fields: Mapping[str, JsonValue]
    path: str | None = None
    """The file, absolute; None for inline code."""
    time_limit_s: float = CALL_LIMIT_S


def file_call(path: str, function: str | None, args: Sequence[JsonValue]) -> NodeCall:
    """Return the call of an exported function: the named one, else the default export, else the export itself."""
    return NodeCall("call", path, {"path": path, "function": function, "args": list(args)}, path)


def hook_call(path: str, function: str | None, args: Sequence[JsonValue]) -> NodeCall:
    """Return the call of a hook: its answer, or the context as the function changed it."""
    return replace(file_call(path, function, args), operation="hook")


def code_call(body: str, values: Mapping[str, JsonValue], folder: str) -> NodeCall:
    """Return the call of inline code, a function body with its own `return`.

    Args:
        body: the code; it has `require`, `process` and `__dirname` in addition to the values.
        values: by name.
        folder: where `require` looks for modules.
    """
    fields: dict[str, JsonValue] = {
        "body": body, "names": list(values), "values": list(values.values()), "folder": folder
    }  # fmt: skip
    return NodeCall("run", "inline code", fields)


def provider_call(
    path: str,
    function: str | None,
    options: Mapping[str, JsonValue],
    method: str,
    args: Sequence[JsonValue],
    time_limit_s: float,
) -> NodeCall:
    """Return the call of a provider's method; the same file and options are one object for the life of the process.

    Args:
        path: the file, absolute.
        function: the export; None for the default one.
        options: what its class is made with.
        method: such as `callApi`.
        args: of the method.
        time_limit_s: for the answer.
    """
    fields: dict[str, JsonValue] = {
        "path": path, "function": function, "options": dict(options), "method": method, "args": list(args)
    }  # fmt: skip
    return NodeCall("provider", path, fields, path, time_limit_s)
