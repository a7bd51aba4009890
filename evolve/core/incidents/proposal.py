"""Decides whether a model's answer proposes an action, by `actions.schema.json`; makes the response format of it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from evolve.core.formats.json_schemas import compile_json_schema
from evolve.core.formats.json_text import json_or
from evolve.core.model import actions as model_actions
from evolve.core.model.actions import ARGUMENTS, MODEL_ACTIONS, Action, NotAProposal, Proposal
from evolve.core.model.json_value import JsonValue

SCHEMA = "actions.schema.json"


def read_proposal(output: JsonValue) -> Proposal | NotAProposal:
    """Return the action that a model's answer proposes, or why it proposes none.

    The answer is one JSON object, whole or as text: `action` from the closed set, with either all of its arguments or
    none of them. Any further key makes it invalid, so an answer that names a job, a node or a command is refused.
    """
    answer = json_or(output, None) if isinstance(output, str) else output
    if not isinstance(answer, dict):
        return NotAProposal("not a JSON object")
    name = answer.get("action")
    if not (isinstance(name, str) and name in MODEL_ACTIONS):
        return NotAProposal(f"`action` is not one of {', '.join(one for one in Action if one in MODEL_ACTIONS)}")
    action = Action(name)
    made = ARGUMENTS[action]
    if answer.keys() == {"action"} and made.__dataclass_fields__:
        return Proposal(action, None)
    problem = compile_json_schema(action_schema(action))(answer)
    if problem is not None:
        return NotAProposal(f"{action}: {problem}")
    return Proposal(action, made(**{key: _typed(value) for key, value in answer.items() if key != "action"}))


def response_format() -> dict[str, JsonValue]:
    """Return the `response_format` of a call that makes the model answer with one action and all of its arguments."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "action", "strict": True, "schema": {**actions_schema()}},
    }


def action_schema(action: Action) -> dict[str, JsonValue]:
    """Return the JSON Schema of one action's answers."""
    schema: dict[str, JsonValue] = actions_schema()["$defs"][action]
    return schema


@cache
def actions_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of all actions, as `actions.schema.json` has it."""
    schema: Mapping[str, Any] = json.loads(Path(model_actions.__file__).with_name(SCHEMA).read_text("utf-8"))
    return schema


def _typed(value: JsonValue) -> Any:
    # To JSON Schema 512.0 is an integer.
    return int(value) if isinstance(value, float) else value
