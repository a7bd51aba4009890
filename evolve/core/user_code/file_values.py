"""`file://` as an assertion's value: data, text, or a script that returns the expected value."""

from collections.abc import Mapping

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.javascript.engine import plain_value
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Tools
from evolve.core.model.suite import Assertion, AssertSet, Evaluation, Requirement
from evolve.core.user_code.functions import (
    FILE,
    call_javascript,
    call_python,
    is_javascript,
    is_python,
    split_reference,
)

__all__ = ["FILE", "is_script", "read_file_value", "script_context", "script_value"]


def is_script(value: str) -> bool:
    """Return whether a `file://` value names a Python or JavaScript file, perhaps with a function."""
    path, _ = split_reference(value)
    return is_python(path) or is_javascript(path)


def read_file_value(value: str, files: Files) -> JsonValue:
    """Return the data of a JSON or YAML file, the trimmed text of a .txt file.

    Raises:
        InputError: the file cannot be read, or its kind is not supported.
    """
    path = value.removeprefix(FILE)
    if path.endswith((".json", ".yaml", ".yml")):
        return parse_yaml(files.read_text(path), path)
    if path.endswith(".txt"):
        return files.read_text(path).strip()
    hint = "values come from .json, .yaml, .yml, .txt, .py and .js files"
    raise InputError(Problem(f"{value}: a file of this kind cannot be a value", hint=hint))


async def script_value(value: str, output: JsonValue, context: Mapping[str, JsonValue], tools: Tools) -> JsonValue:
    """Return the answer of the script's function to (output, context); `get_assert` in Python by default.

    Args:
        value: `file://PATH[:FUNCTION]`.
        output: the function's first argument.
        context: the function's second argument, see `script_context`.
        tools: for reading the file and running Python.

    Raises:
        PythonFailed: the Python function raised; promptfoo fails the assertion then.
        CannotEvaluate: the JavaScript threw, or the answer is a verdict, which only javascript and python accept.
        InputError: there is no such file or function.
    """
    path, function = split_reference(value)
    arguments: list[JsonValue] = [output, dict(context)]
    if is_python(path):
        answered = await call_python(path, function, "get_assert", arguments, tools.files, tools.scripts)
    else:
        answered = plain_value(await call_javascript(path, function, arguments, tools.files, tools.scripts), value)
    if isinstance(answered, bool) or (isinstance(answered, dict) and "pass" in answered):
        raise CannotEvaluate(
            f"{value}: expected a value to compare the output with, got a verdict; use javascript or python to judge"
        )
    return answered


def script_context(
    prompt: str,
    variables: Mapping[str, JsonValue],
    evaluation: Evaluation,
    answer: Answer,
    output: JsonValue,
    assertion: Assertion,
) -> dict[str, JsonValue]:
    """Return the second argument of assertion functions, as promptfoo has it.

    Args:
        prompt: as it was sent.
        variables: the evaluation's variables, after all functions of the suite.
        evaluation: gives the test and the provider.
        answer: the provider's whole answer.
        output: after all transforms.
        assertion: gives `config`.
    """
    test = evaluation.test
    context: dict[str, JsonValue] = {
        "prompt": prompt,
        "vars": dict(variables),
        "test": {
            "vars": dict(variables),
            "description": test.description,
            "metadata": dict(test.metadata),
            "assert": [_to_json(part) for part in test.requirements],
        },
        "provider": {"id": evaluation.provider.full_id, "label": evaluation.provider.label},
        "providerResponse": {
            "output": output,
            "cost": answer.cost,
            "latencyMs": answer.latency_ms,
            "finishReason": answer.finish_reason,
            "cached": answer.cached,
            "raw": answer.raw,
            "metadata": dict(answer.metadata),
            "tokenUsage": _token_usage(answer.tokens),
        },
    }
    if answer.log_probs is not None:
        context["logProbs"] = list(answer.log_probs)
    if assertion.config:
        context["config"] = dict(assertion.config)
    if answer.metadata:
        context["metadata"] = dict(answer.metadata)
    return context


def _to_json(requirement: Requirement) -> JsonValue:
    """Return a requirement as scripts see it among the test's `assert`."""
    if isinstance(requirement, AssertSet):
        return {"type": "assert-set", "assert": [_to_json(part) for part in requirement.assertions]}
    kind = f"not-{requirement.type}" if requirement.negated else requirement.type
    parts: dict[str, JsonValue] = {
        "value": requirement.value,
        "threshold": requirement.threshold,
        "metric": requirement.metric,
    }
    given: dict[str, JsonValue] = {"type": kind}
    return {**given, **{name: value for name, value in parts.items() if value is not None}}


def _token_usage(tokens: TokenUsage) -> dict[str, JsonValue]:
    """Return token counts under the format's names."""
    return {
        "total": tokens.total,
        "prompt": tokens.prompt,
        "completion": tokens.completion,
        "cached": tokens.cached,
        "numRequests": tokens.requests,
    }
