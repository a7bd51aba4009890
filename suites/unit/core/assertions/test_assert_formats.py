"""Assertion types on JSON, XML and HTML; the table says what promptfoo 0.121.20 answered."""

from typing import Any

import pytest

from evolve.core.formats.json_objects import json_objects
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.suite import ProviderSpec
from fixtures.checks import judge

ACTION: Any = {"type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"]}

HOLDS: list[tuple[str, Any, Any, bool]] = [
    ("is-json", None, "5", True),
    ("is-json", None, '{"a": NaN}', False),
    ("is-json", None, "\ufeff{}", False),
    ("is-json", None, '{"a": 1, "a": 2}', True),
    ("is-json", None, "1" * 5000, True),
    ("is-json", {}, "{}", True),
    ("is-json", ACTION, '{"action": "x"}', True),
    ("is-json", ACTION, '{"action": 5}', False),
    ("is-json", "type: object\nrequired: [a]", '{"a": 1}', True),
    ("is-json", {"type": "integer"}, "3.0", True),
    ("is-json", {"type": "number"}, "1e400", False),
    ("is-json", {"type": "number", "multipleOf": 0.01}, "4.02", False),
    ("is-json", {"type": "string", "nullable": True}, "null", True),
    ("is-json", {"type": "string", "pattern": "^\\p{Lu}"}, '"Ä"', True),
    ("is-json", {"type": "string", "format": "date"}, '"2024-02-31"', False),
    ("is-json", {"$ref": "#/definitions/x", "type": "string", "definitions": {"x": {"minLength": 2}}}, '"a"', False),
    ("contains-json", None, "set {a, b}", True),
    ("contains-json", None, "{broken", True),
    ("contains-json", None, "[1, 2]", False),
    ("contains-json", None, '{"a": "}"}', False),
    ("contains-json", ACTION, 'first {"x": 1} then {action: yes}', True),
    ("is-xml", None, "<a><b/></a>", True),
    ("is-xml", None, "before <a/>", False),
    ("is-xml", None, "<p:a/>", False),
    ("is-xml", None, "<!DOCTYPE a><a/>", True),
    ("is-xml", None, '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', False),
    ("is-xml", None, "<a>" * 103 + "</a>" * 103, False),
    ("is-xml", "jobs.job.1", "<jobs><job>a</job><job>b</job></jobs>", True),
    ("is-xml", "job.@_id", '<job id="7"/>', True),
    ("is-xml", "a, a.b", "<a><c/></a>", False),
    ("contains-xml", None, "x <self/> y", True),
    ("contains-xml", None, "<br>", False),
    ("contains-xml", "b.c", "<a>1</a> and <b><c/></b>", True),
    ("is-html", None, "<p>hi</p>", True),
    ("is-html", None, "text <b>bold</b>", False),
    ("is-html", None, "<html>", True),
    ("is-html", None, "<html>text</html>", False),
    ("is-html", None, "<body>text</body>", True),
    ("is-html", None, "<foo>x</foo>", False),
    ("is-html", None, "<my-widget></my-widget>", True),
    ("contains-html", None, "some <b>bold</b>", True),
    ("contains-html", None, "Vec<String> and Map<K, V>", False),
    ("contains-html", None, "&nbsp;&copy; <!-- c -->", True),
]


@pytest.mark.parametrize(("name", "value", "output", "holds"), HOLDS)
def test_a_type_holds_or_its_negation_does(name: str, value: Any, output: Any, holds: bool) -> None:
    assert judge(name, value, output).passed is holds
    assert judge(f"not-{name}", value, output).passed is not holds


BAD_SCHEMAS: list[Any] = [
    {"type": "object", "unknownWord": 1}, {"type": "string", "format": "datte"}, {"type": "string", "pattern": "["},
    {"if": {}}, {"then": {}}, {"nullable": True}, {"exclusiveMinimum": True}, {"enum": []}, {"additionalItems": False},
    {"$ref": "#/definitions/none"}, {"$ref": "http://x.example/s"}, {"$schema": "https://json-schema.org/draft/2020-12/schema"},
    "{bad", "- a",
]  # fmt: skip


@pytest.mark.parametrize("schema", BAD_SCHEMAS)
def test_a_schema_that_ajv_refuses_cannot_be_evaluated(schema: Any) -> None:
    with pytest.raises(CannotEvaluate):
        judge("is-json", schema, "{}")


def test_the_reason_tells_where_the_schema_does_not_fit() -> None:
    schema = {"type": "object", "properties": {"jobs": {"type": "array", "items": ACTION}}}
    reason = judge("is-json", schema, '{"jobs": [{"action": "a"}, {}]}').reason
    assert "jobs[1]: 'action' is a required property" in reason


OBJECTS: list[tuple[str, list[Any]]] = [
    ("{:}", [{"null": None}]),
    ("{{name}}", [{"name": None}]),
    ('{"a": 1, // note\n "b": 2}', [{"a": 1, "b": 2}]),
    ("{'a': 'it''s', b: http://x//y}", [{"a": "it's", "b": "http://x//y"}]),
    ('{"a": "\\ud83d\\ude00",}', [{"a": "😀"}]),
    ("{<<: {a: 1}, b: &x 2, c: *x}", [{"a": 1, "b": 2, "c": 2}]),
    ("{[1]: 2} {a: NaN}", [{"a": "NaN"}]),
    ('{"a": [1, {b: c}]} x {d', [{"a": [1, {"b": "c"}]}, {"d": None}]),
    ("{", []),
]


@pytest.mark.parametrize(("text", "objects"), OBJECTS)
def test_objects_are_found_as_promptfoo_finds_them(text: str, objects: list[Any]) -> None:
    assert list(json_objects(text)) == objects


@pytest.mark.parametrize("text", ["{" * 100_000, "{a: " * 50_000, "[{" * 50_000, '{"a":' * 50_000])
def test_hostile_braces_take_no_time(text: str) -> None:
    assert isinstance(list(json_objects(text)), list)


TOOLS: Any = [{"type": "function", "function": {"name": "restart", "parameters": ACTION}}]
CALL = {"function": {"name": "restart", "arguments": '{"action": "x"}'}}


@pytest.mark.parametrize("name", ["is-valid-openai-tools-call", "not-is-valid-openai-tools-call"])
def test_tool_calls_must_fit_the_declared_tools(name: str) -> None:
    provider = ProviderSpec("openai:chat:m", config={"tools": TOOLS})
    assert judge(name, None, [CALL], provider=provider).passed
    assert judge(name, None, {"tool_calls": [CALL]}, provider=provider).passed
    for wrong in (
        [],
        "[]",
        [{"function": {"name": "other", "arguments": "{}"}}],
        [{"function": {"name": "restart", "arguments": '{"action": 5}'}}],
        [{"function": {"name": "restart", "arguments": ""}}],
    ):
        assert not judge(name, None, wrong, provider=provider).passed
    assert not judge(name, None, [CALL], provider=ProviderSpec("openai:chat:m")).passed


def test_function_calls_need_a_chat_provider_with_functions() -> None:
    functions: Any = [{"name": "restart", "parameters": ACTION}]
    call = {"name": "restart", "arguments": '{"action": "x"}'}
    chat = ProviderSpec("openai:chat:m", config={"functions": functions})
    assert judge("is-valid-function-call", None, call, provider=chat).passed
    assert judge("is-valid-openai-function-call", None, {"function_call": call}, provider=chat).passed
    assert not judge("is-valid-function-call", None, {**call, "arguments": "{}"}, provider=chat).passed
    assert not judge(
        "is-valid-function-call", None, call, provider=ProviderSpec("echo", config={"functions": functions})
    ).passed
