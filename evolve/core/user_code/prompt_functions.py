"""Functions in a user's files that make prompts and variables: `prompt(context)` and `get_var(name, prompt, vars)`."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from evolve.core.javascript.engine import plain_value
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Tools
from evolve.core.model.suite import Evaluation, ScriptRef
from evolve.core.user_code.functions import call_javascript, call_python, is_python

IS_FINISHED = "is_finished"
"""The key with which a prompt's function says that its text must be sent unchanged."""

SCRATCH = "scratch"
"""The key with which a prompt's function names the fields of the answer that are dropped before it is judged."""


class MadePrompt(NamedTuple):
    """A prompt that a function made, and the settings it asks for."""

    text: str
    config: Mapping[str, JsonValue]
    is_finished: bool = False
    """The text is sent unchanged; otherwise it is a template, as in promptfoo."""
    scratch: tuple[str, ...] = ()
    """Fields of the answer that are dropped before it is judged."""


def prompt_context(
    evaluation: Evaluation, variables: Mapping[str, JsonValue], config: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the argument of a prompt's function."""
    provider: JsonValue = {"id": evaluation.provider.full_id, "label": evaluation.provider.label}
    return {"vars": dict(variables), "provider": provider, "config": dict(config)}


async def make_prompt(
    evaluation: Evaluation, variables: Mapping[str, JsonValue], config: Mapping[str, JsonValue], tools: Tools
) -> MadePrompt:
    """Return the prompt that the prompt's function makes from {vars, provider, config}.

    The function answers text, chat messages, or {prompt, config, is_finished, scratch}.

    Args:
        evaluation: its prompt must have a function.
        variables: the evaluation's variables, after their functions.
        config: the prompt's settings; those in the answer win.
        tools: for reading the file and running Python.

    Raises:
        CannotEvaluate: the function raised, or answered something else.
        InputError: there is no such file or function.
    """
    ref = evaluation.prompt.function
    assert ref is not None
    made = await _call(ref, "prompt", [prompt_context(evaluation, variables, config)], tools)
    if isinstance(made, dict) and "prompt" in made:
        extra = made.get("config")
        settings = {**config, **extra} if isinstance(extra, dict) else config
        names = made.get(SCRATCH)
        scratch = tuple(map(str, names)) if isinstance(names, list) else ()
        return MadePrompt(_as_text(made["prompt"]), settings, made.get(IS_FINISHED) is True, scratch)
    if not isinstance(made, str | dict | list):
        raise CannotEvaluate(
            f"the prompt function {_name(ref)}: expected text or chat messages, got {json.dumps(made)}"
        )
    return MadePrompt(_as_text(made), config)


async def make_var(
    name: str, ref: ScriptRef, raw_prompt: str, variables: Mapping[str, JsonValue], tools: Tools
) -> JsonValue:
    """Return the variable's value: `output` of the function's answer to (name, prompt, vars).

    Args:
        name: the variable's name.
        ref: the function.
        raw_prompt: the prompt's template.
        variables: the evaluation's variables so far.
        tools: for reading the file and running Python.

    Raises:
        CannotEvaluate: the function raised, answered `error`, or answered no `output`.
        InputError: there is no such file or function.
    """
    made = await _call(ref, "get_var", [name, raw_prompt, dict(variables)], tools)
    if not isinstance(made, dict) or not made.get("output"):
        error = made.get("error") if isinstance(made, dict) else None
        raise CannotEvaluate(
            f"variable {name!r}: {_name(ref)} "
            + (f"answered the error {error}" if error else "must answer {'output': ...}")
        )
    output = made["output"]
    return output.strip() if isinstance(output, str) and is_python(ref.path) else output


async def _call(ref: ScriptRef, default: str, arguments: list[JsonValue], tools: Tools) -> JsonValue:
    if is_python(ref.path):
        return await call_python(ref.path, ref.function, default, arguments, tools.files, tools.scripts)
    answer = await call_javascript(ref.path, ref.function, arguments, tools.files, tools.scripts)
    return plain_value(answer, _name(ref))


def _name(ref: ScriptRef) -> str:
    file = ref.path.rsplit("/", 1)[-1]
    return f"{file}:{ref.function}" if ref.function else file


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else to_json(value)
