"""An answer of llama.cpp outside the schema of its call is an error: a grammar cannot hold every schema."""

import json

import pytest

from evolve.core.formats.json_schemas import compile_open_schema
from evolve.core.model.answers import Answer
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.providers.grammar_check import held_to, schema_of

PATTERN = r"^hi\!(?=x)"
SCHEMA: JsonValue = {"type": "object", "properties": {"a": {"type": "string", "pattern": PATTERN}}, "required": ["a"]}


def chat(text: str, **more: JsonValue) -> Answer:
    finish = more.pop("finish", None)
    raw: JsonValue = {"choices": [{"message": {"content": text, **more}}]}
    return Answer(text, raw=raw, finish_reason=finish if isinstance(finish, str) else "stop")


def test_an_answer_that_fits_is_left_as_it_is():
    answer = chat('{"a": "hi!x"}')
    assert held_to(answer, SCHEMA) is answer


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": "hello"}', "a: 'hello' does not match"),
        ('{"b": 1}', "'a' is a required property"),
        ("hello", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
@pytest.mark.parametrize("is_chat", [True, False])
def test_one_that_does_not_fit_is_an_error_and_keeps_its_output(text, problem, is_chat):
    answer = chat(text) if is_chat else Answer(text, raw={"choices": [{"text": text}]}, finish_reason="stop")
    held = held_to(answer, SCHEMA)
    assert held.error is not None
    assert held.error.startswith("the answer does not fit the JSON Schema of the call: ")
    assert problem in held.error
    assert "docs/providers.md" in held.error
    assert held.output == text


@pytest.mark.parametrize(
    "answer",
    [chat("", tool_calls=[{"id": "1"}]), chat(""), Answer("no reply kept")],
)
def test_a_call_of_a_tool_has_no_text_to_check(answer):
    assert held_to(answer, SCHEMA) is answer


@pytest.mark.parametrize(
    "pattern", [PATTERN, "abc", "^abc", "abc$", r"^\d{3}$", r"^\bx\b$", "^(?<n>a)$", r"^(a)\1$", ""]
)
def test_an_answer_that_was_cut_names_a_pattern_that_did_not_bind_it(pattern):
    schema: JsonValue = {"properties": {"a": {"type": "array", "items": {"type": "string", "pattern": pattern}}}}
    error = str(held_to(chat('{"a": ["Huggle', finish="length"), schema).error)
    assert f"it was cut at max_tokens, and the pattern {pattern!r} did not bind the model" in error


@pytest.mark.parametrize("pattern", ["^abc$", "^[a-z0-9]{2,3}$", "^(?:a|b)+$"])
def test_a_pattern_that_a_grammar_holds_is_not_named(pattern):
    schema: JsonValue = {"properties": {"pattern": {"type": "string", "pattern": pattern}, "b": {"enum": ["("]}}}
    answer = chat('{"pattern": "ab', finish="length")
    assert held_to(answer, schema) is answer


@pytest.mark.parametrize("at", range(1, 61))
def test_a_beginning_of_json_is_only_cut(at):
    text = '{"a": ["\\u00e9\\n", true, false, null, -1.5e3, {}], "b": "x"}'
    assert held_to(chat(text[:at], finish="length"), {"type": "object"}).error is None


@pytest.mark.parametrize("text", ["The answer is", '{"a" x', "Sure! {", "[1,, 2", '{"a": truth', '{"a": "\\q and more'])
def test_what_is_cut_and_cannot_become_json_is_an_error(text):
    assert "not JSON" in str(held_to(chat(text, finish="length"), SCHEMA).error)


def test_without_a_schema_nothing_is_checked():
    answer = chat("hello")
    assert held_to(answer, None) is answer


@pytest.mark.parametrize(
    ("config", "schema"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, {"type": "object"}),
        ({"response_format": {"type": "json_object", "schema": {"type": "array"}}}, {"type": "array"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, SCHEMA),
        ({"response_format": {"type": "json_schema", "schema": SCHEMA}}, SCHEMA),
        ({"json_schema": SCHEMA}, SCHEMA),
    ],
)
def test_the_schema_of_a_call_is_where_the_server_looks_for_it(config, schema):
    assert schema_of(config) == schema


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "multipleOf": 5}, 10, 11),
        ({"type": "number", "minimum": 3, "maximum": 9}, 3.5, 123),
        ({"type": "array", "uniqueItems": True}, [1, 2], [1, 1]),
        ({"type": "array", "contains": {"const": 77}}, [77], []),
        ({"not": {"type": "string"}}, 1, "x"),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"oneOf": [{"type": "integer"}, {"minimum": 3}]}, 1, 4),
        ({"propertyNames": {"pattern": "^z"}}, {"z": 1}, {"a": 1}),
        ({"type": "string", "format": "email"}, "a@b.example", "a,b"),
        ({"type": "string", "format": "of-my-own", "x-note": 1}, "anything", 1),
        ({"prefixItems": [{"type": "integer"}], "items": False}, [1], [1, 2]),
        ({"items": [{"type": "integer"}], "additionalItems": False}, [1], [1, 2]),
        ({"maximum": 3, "exclusiveMaximum": True}, 2, 3),
        ({"dependentRequired": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
        ({"$defs": {"x": {"type": "integer"}}, "$ref": "#/$defs/x"}, 1, "1"),
        ({"pattern": "^\\d{3}$"}, "123", "12"),
        ({"pattern": "b"}, "abc", "ac"),
        ({"pattern": "^\\p{L}+$"}, "é", "1"),
        ({"pattern": "^(?<n>a)$"}, "a", "b"),
    ],
)
def test_each_keyword_that_a_grammar_leaves_out_is_checked(schema, good, bad):
    problem = compile_open_schema(schema)
    assert problem(good) is None
    assert problem(bad) is not None


@pytest.mark.parametrize("schema", [{"type": "foo"}, {"minimum": "x"}, {"required": "a"}, {"pattern": "("}, [], "text"])
def test_a_schema_that_no_draft_knows_is_not_valid(schema):
    with pytest.raises(CannotEvaluate, match="the JSON Schema is not valid"):
        compile_open_schema(schema)


@pytest.mark.parametrize(
    "schema", [{"pattern": "^["}, {"$ref": "http://127.0.0.1:1/x.json"}, {"$ref": "#/$defs/none"}, {"$ref": "#"}]
)
def test_what_cannot_be_checked_is_no_pass(schema):
    with pytest.raises(CannotEvaluate):
        held_to(chat(json.dumps("text")), schema)
