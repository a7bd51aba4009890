import json

import pytest

from pipecatapp.wire.experts import Tokens, error_of_answer, rename_model, tokens_of
from pipecatapp.wire.openai import ApiError

# As a llama-server of xllamacpp answered them.
TOOLS = (
    b'{"error":{"code":500,"message":"Failed to parse tools: Missing tool function: {}; tools = []",'
    b'"type":"server_error"}}'
)
CONTEXT = (
    b'{"error":{"code":400,"message":"request (3031 tokens) exceeds the available context size (2048 tokens), try '
    b'increasing it","type":"exceed_context_size_error","n_prompt_tokens":3031,"n_ctx":2048}}'
)
EMBEDDINGS = (
    b'{"error":{"code":501,"message":"This server does not support embeddings. Start it with `--embeddings`",'
    b'"type":"not_supported_error"}}'
)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, TOOLS, (400, "invalid_request_error", "invalid_value")),
        (400, CONTEXT, (400, "invalid_request_error", "context_length_exceeded")),
        (501, EMBEDDINGS, (400, "invalid_request_error", "not_supported")),
        (500, b'{"error":{"code":500,"message":"boom","type":"server_error"}}', (502, "server_error", "expert_error")),
        (503, b'{"error":{"code":503,"message":"Loading model"}}', (503, "server_error", "expert_error")),
        (429, b'{"error":{"message":"slow down"}}', (429, "rate_limit_error", "expert_busy")),
        (401, b'{"error":{"code":401,"message":"Invalid API Key"}}', (502, "server_error", "expert_error")),
        (404, b'{"error":{"code":404,"message":"File Not Found"}}', (502, "server_error", "expert_error")),
        (500, b"<html>", (502, "server_error", "expert_error")),
        (400, b'{"error":"only a text"}', (400, "invalid_request_error", "invalid_value")),
        (302, b"", (502, "server_error", "expert_error")),
    ],
)
def test_an_experts_error_gets_openais_shape(status, body, expected):
    error = error_of_answer(status, body)
    assert (error.status, error.type, error.code) == expected
    found = json.loads(error.body())["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert isinstance(found["code"], str)


def test_a_whole_answer_changes_in_its_model_only():
    body = b'{"model" : "smol","x":1.50,"usage":{"prompt_tokens":2,"completion_tokens":3}}'
    assert rename_model(body, "expert-main") == (body.replace(b"smol", b"expert-main"), Tokens(2, 3))


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{"])
def test_an_answer_that_is_no_object_is_the_experts_fault(body):
    with pytest.raises(ApiError) as caught:
        rename_model(body, "m")
    assert caught.value.status == 502


@pytest.mark.parametrize("answer", [None, [], {}, {"usage": 1}, {"usage": {"prompt_tokens": "x"}}])
def test_odd_counts_are_no_counts(answer):
    assert tokens_of(answer) in (None, Tokens())
