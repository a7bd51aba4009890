import json

import pytest

from pipecatapp.wire.openai import ApiError, ChatRequest, CompletionRequest, EmbeddingRequest, param_of, parse_request

CHAT = {"model": "expert-main", "messages": [{"role": "user", "content": "a secret question"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def error_of(body, schema=ChatRequest):
    with pytest.raises(ApiError) as caught:
        parse_request(body if isinstance(body, bytes) else json.dumps(body).encode(), schema)
    return caught.value


@pytest.mark.parametrize(
    "extra",
    [
        {}, {"stream": True}, {"stream": None}, {"max_tokens": 5.0}, {"max_tokens": -1}, {"temperature": 1},
        {"tools": [TOOL]}, {"tool_choice": "auto"}, {"tool_choice": {"type": "function"}}, {"unknown": {"a": 1}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        {"response_format": {"type": "json_object", "schema": {"type": "object"}}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_clients_send_is_accepted_and_goes_on_as_it_came(extra):
    body = json.dumps({**CHAT, **extra}, indent=1).encode()
    request = parse_request(body, ChatRequest)
    assert request.bytes_for("expert-main") == body
    assert request.bytes_for("other") == body.replace(b'"expert-main"', b'"other"')
    assert request.is_stream is (extra.get("stream") is True)


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "martian", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"tools": "bad"}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"temperature": "hot"}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"n": 0}, "n"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_place_and_never_quoted(extra, param):
    error = error_of({**CHAT, **extra})
    assert (error.status, error.type, error.code) == (400, "invalid_request_error", "invalid_value")
    assert (error.param or "").startswith(param)
    assert "martian" not in error.message


def test_several_problems_come_at_once_and_the_rest_is_counted():
    error = error_of({"messages": [{"role": "x"}] * 6})
    assert "model: Field required" in error.message
    assert "(and 4 more)" in error.message


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nope", b'{"a":', b"\xff\xfe", b'{"model":"a","model":"b"}', b'{"secret":1,"secret":2}']
)
def test_what_is_not_one_json_object_is_refused(body):
    error = error_of(body)
    assert (error.status, error.code) == (400, "invalid_json")
    assert "secret" not in error.message


def test_other_routes_have_their_own_schemas():
    assert error_of(CHAT, CompletionRequest).param == "prompt"
    assert error_of(CHAT, EmbeddingRequest).param == "input"
    assert parse_request(b'{"model":"m","prompt":[1,2]}', CompletionRequest).model == "m"
    assert parse_request(b'{"model":"m","input":["a"]}', EmbeddingRequest).model == "m"


def test_an_error_has_all_four_fields():
    error = ApiError(404, "no such model", code="model_not_found", param="model")
    assert json.loads(error.body()) == {
        "error": {
            "message": "no such model",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_places_read_as_openai_writes_them():
    assert param_of(("messages", 0, "content", "list[ContentPart]", 1, "type")) == "messages[0].content[1].type"
