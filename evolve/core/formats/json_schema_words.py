"""The keywords of JSON Schema draft 7 that promptfoo's validator accepts; any other keyword is an error."""

from typing import Final

from evolve.core.model.json_value import JsonValue

ONE_SCHEMA: Final = frozenset(
    ["additionalItems", "additionalProperties", "contains", "else", "if", "not", "propertyNames", "then"]
)
"""Keywords that hold a schema."""
SCHEMA_LISTS: Final = frozenset(["allOf", "anyOf", "oneOf"])
"""Keywords that hold a list of schemas; `items` holds one schema or a list."""
SCHEMA_MAPS: Final = frozenset(["patternProperties", "properties"])
"""Keywords that hold schemas by name; `dependencies` holds schemas or lists of names."""
DEFINITIONS: Final = frozenset(["$defs", "definitions"])

_SCHEMA: JsonValue = {"$ref": "#/$defs/schema"}
_SCHEMAS: JsonValue = {"type": "array", "items": _SCHEMA, "minItems": 1}
_BY_NAME: JsonValue = {"type": "object", "additionalProperties": _SCHEMA}
_COUNT: JsonValue = {"type": "integer", "minimum": 0}
_NUMBER: JsonValue = {"type": "number"}
_TEXT: JsonValue = {"type": "string"}
_TEXTS: JsonValue = {"type": "array", "items": _TEXT}
_BOOLEAN: JsonValue = {"type": "boolean"}
_TYPE: JsonValue = {"enum": ["string", "number", "integer", "object", "array", "boolean", "null"]}

_WORDS: dict[str, JsonValue] = {
    **dict.fromkeys(ONE_SCHEMA, _SCHEMA),
    **dict.fromkeys(SCHEMA_LISTS, _SCHEMAS),
    **dict.fromkeys(SCHEMA_MAPS | DEFINITIONS, _BY_NAME),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"), _COUNT),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _NUMBER),
    **dict.fromkeys(("$comment", "$id", "$ref", "$schema", "description", "format", "pattern", "title"), _TEXT),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _TEXT),
    **dict.fromkeys(("deprecated", "nullable", "readOnly", "uniqueItems", "writeOnly"), _BOOLEAN),
    **dict.fromkeys(("const", "contentSchema", "default", "$vocabulary"), True),
    "dependencies": {"type": "object"},
    "enum": {"type": "array", "minItems": 1},
    "examples": {"type": "array"},
    "items": {
        "anyOf": [{"type": "array", "items": _SCHEMA}, {"type": ["object", "boolean"], "$ref": "#/$defs/schema"}]
    },
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "required": _TEXTS,
    "type": {"anyOf": [_TYPE, {"type": "array", "items": _TYPE, "minItems": 1}]},
}

WORDS: Final = frozenset(_WORDS)

JSON_SCHEMA: JsonValue = {
    # promptfoo takes `false` for no schema.
    "anyOf": [{"type": "string"}, {"type": "object", "$ref": "#/$defs/schema"}, {"type": "boolean", "const": False}],
    "x-expected": "a JSON schema, as a mapping or as text",
    "$defs": {"schema": {"type": ["object", "boolean"], "properties": _WORDS, "additionalProperties": False}},
}
"""The schema of an assertion's value that is itself a schema; mistakes are reported when the suite is loaded."""
