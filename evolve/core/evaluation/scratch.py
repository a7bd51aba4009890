"""Scratch fields: text that an agent writes before its answer, to think, and that nobody but the search sees.

A schema is answered in the order of its fields, so a text before the first one is read by the model when it writes the
answer. It is bounded, and it is dropped before assertions and callers get the answer.
"""

import json
from collections.abc import Mapping, Sequence

from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue

SCRATCH_CHARS = 240
"""Of one field: one or two sentences. More text cost more than it gained on the agents that we measured."""
_SCRATCH_TOKENS = 120
"""Tokens that a field of this length may take, at two characters a token."""


def can_think(schema: Mapping[str, JsonValue]) -> bool:
    """Return whether an output schema is an object with fields, or one of several: others can be put before them."""
    branches = _branches(schema)
    if branches:
        return all(map(can_think, branches))
    return schema.get("type", "object") == "object" and isinstance(schema.get("properties"), dict)


def field_names(schema: Mapping[str, JsonValue]) -> set[str]:
    """Return the names of the fields of an output schema; of one of several objects, those of all."""
    own = schema.get("properties")
    return set(own if isinstance(own, dict) else ()).union(*map(field_names, _branches(schema)))


def scratch_schema(schema: Mapping[str, JsonValue], names: Sequence[str]) -> dict[str, JsonValue]:
    """Return the output schema with the scratch fields before its own, in each of several objects."""
    branches = _branches(schema)
    if branches:
        thinking: JsonValue = [scratch_schema(branch, names) for branch in branches]
        return {**schema, "anyOf": thinking}
    own, required = schema.get("properties"), schema.get("required")
    text: JsonValue = {"type": "string", "maxLength": SCRATCH_CHARS}
    fields = dict.fromkeys(names, text)
    return {
        **schema,
        "properties": {**fields, **(own if isinstance(own, dict) else {})},
        "required": [*names, *(required if isinstance(required, list) else [])],
    }


def _branches(schema: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    """The schemas of which an answer must fit one; empty where there is no such choice."""
    found = schema.get("anyOf")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def scratch_line(names: Sequence[str]) -> str:
    """Return what the agent is asked to write into its scratch fields; empty without one."""
    if not names:
        return ""
    listed = " and ".join(f'"{name}"' for name in names)
    return f"First write {listed}: in one short sentence, what decides the answer."


def more_tokens(sampling: Mapping[str, JsonValue], names: Sequence[str]) -> dict[str, JsonValue]:
    """Return the settings of a call with room for the scratch fields, where there is a limit of tokens."""
    limit = sampling.get("max_tokens")
    if not names or not isinstance(limit, int):
        return dict(sampling)
    return {**sampling, "max_tokens": limit + _SCRATCH_TOKENS * len(names)}


def drop_scratch(output: JsonValue, names: Sequence[str]) -> JsonValue:
    """Return an answer without its scratch fields; text stays text. An answer that is no JSON object is unchanged."""
    value = json_or(output, None) if isinstance(output, str) else output
    if not names or not isinstance(value, dict) or not any(name in value for name in names):
        return output
    kept: JsonValue = {key: part for key, part in value.items() if key not in names}
    return json.dumps(kept, ensure_ascii=False) if isinstance(output, str) else kept


def scratch_of(output: JsonValue, names: Sequence[str]) -> dict[str, JsonValue]:
    """Return the scratch fields of an answer; empty where it has none."""
    value = json_or(output, None) if isinstance(output, str) else output
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else {}
