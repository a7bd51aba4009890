"""The user's code inside an HTTP provider's config: inline JavaScript, or a function in a file."""

import hashlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

from evolve.core.javascript.engine import call_javascript_file, evaluate_body, plain_value
from evolve.core.javascript.node_needs import code_needs_node, file_needs_node
from evolve.core.model.errors import CannotEvaluate, EvolveError, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import code_call, file_call
from evolve.core.model.suite import ProviderSpec, ScriptRef
from evolve.core.user_code.functions import as_json, is_javascript, is_python, split_reference
from evolve.providers.config import wrong
from evolve.providers.context import ProviderContext

_FUNCTION = re.compile(r"^(async\s+)?(\(.*?\)\s*=>|\w+\s*=>|function\b)", re.DOTALL)
"""Inline code that is a function, which is called; other code is an expression or a body."""


@dataclass(frozen=True, slots=True)
class Code:
    """A function of positional arguments, all JSON."""

    function: Callable[..., JsonValue]
    digest: str
    """SHA-256 of the file's text; empty for inline code, which is part of the config already."""

    def __call__(self, *args: JsonValue) -> JsonValue:
        """Return the result of the code; raises CannotEvaluate if it throws."""
        return self.function(*args)

    @staticmethod
    def of(spec: ProviderSpec, key: str, names: tuple[str, ...], context: ProviderContext) -> "Code | None":
        """Return the code under a key of the config; None if there is none.

        Args:
            spec: the provider as the suite describes it.
            key: the key of its config.
            names: the variables that inline code sees; the arguments of a call, in this order.
            context: reads files and finds Python functions.
        """
        value = spec.config.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise wrong(spec, key, "JavaScript, or file://x.js[:function] or file://x.py[:function]")
        if not value.startswith("file://"):
            return Code(_inline(value.strip(), names, context), "")
        path, function = split_reference(value)
        source = context.files.read_text(path)
        digest = hashlib.sha256(source.encode()).hexdigest()
        if is_python(path):
            return Code(_python(context, path, function), digest)
        if is_javascript(path):
            return Code(_javascript(context, source, path, function), digest)
        raise wrong(spec, key, "a .js or .py file")


def _inline(code: str, names: tuple[str, ...], context: ProviderContext) -> Callable[..., JsonValue]:
    if _FUNCTION.match(code):
        body = f"return ({code})({', '.join(names)});"
    elif re.search(r"\breturn\b", code) and names[0] == "prompt":
        body = code
    else:
        body = f"return ({code.rstrip(';')}\n);"

    def call(*args: JsonValue) -> JsonValue:
        values = dict(zip(names, args, strict=True))
        if code_needs_node(body):
            return plain_value(context.scripts.node.result_now(code_call(body, values, context.base_dir)), code[:60])
        return plain_value(evaluate_body(body, values), code[:60])

    return call


def _javascript(context: ProviderContext, source: str, path: str, function: str | None) -> Callable[..., JsonValue]:
    full = context.files.resolve(path)
    in_node = file_needs_node(full, context.files.read_text)
    if in_node and (problems := context.scripts.node.problems(full)):
        raise InputError(problems)

    def call(*args: JsonValue) -> JsonValue:
        if in_node:
            return plain_value(context.scripts.node.result_now(file_call(full, function, args)), path)
        return plain_value(call_javascript_file(source, function, args, path=full, read=context.files.read_text), path)

    return call


def _python(context: ProviderContext, path: str, function: str | None) -> Callable[..., JsonValue]:
    found = context.scripts.function(ScriptRef(context.files.resolve(path), function), "get_transform")

    def call(*args: JsonValue) -> JsonValue:
        try:
            value = found(*args)
        except EvolveError:
            raise
        except (Exception, SystemExit) as exc:  # the boundary to the user's code
            raise CannotEvaluate(f"{path} raised {type(exc).__name__}: {exc}") from exc
        if inspect.iscoroutine(value):
            value.close()
            raise CannotEvaluate(f"{path}: the function must not be async here")
        return as_json(value)

    return call
