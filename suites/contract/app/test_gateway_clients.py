"""The same cases through every client: what it gets from the gateway is what it gets from the expert itself."""

import json

import pytest

from fixtures import chat_clients as clients
from fixtures.scripted_expert import Answer, Failure, Hangup, Raw

# The clients' own warnings about their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")

USER = {"role": "user", "content": "hi"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {"name": "city", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}

CASES = {
    "a word": ([USER], {}),
    "a system prompt": ([{"role": "system", "content": "be brief"}, USER], {}),
    "a developer prompt": ([{"role": "developer", "content": "be brief"}, USER], {}),
    "several turns": ([USER, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "again"}], {}),
    "two users in a row": ([USER, {"role": "user", "content": "and"}], {}),
    "letters of all kinds": ([{"role": "user", "content": "ä ﷽ 😀 \u2028 \\u0000 \"model\":\"scripted\""}], {}),
    "a long text": ([{"role": "user", "content": "word " * 50_000}], {}),
    "an empty text": ([{"role": "user", "content": ""}], {}),
    "lines": ([{"role": "user", "content": "a\n\nb\r\n\tdata: [DONE]\n\n"}], {}),
    "parts": ([{"role": "user", "content": [{"type": "text", "text": "what is it"}]}], {}),
    "a picture": ([{"role": "user", "content": [{"type": "text", "text": "what is it"}, PICTURE]}], {}),
    "a name": ([{"role": "user", "content": "hi", "name": "ann"}], {}),
    "a limit": ([USER], {"max_tokens": 5}),
    "no randomness": ([USER], {"temperature": 0}),
    "sampling": ([USER], {"temperature": 0.7, "top_p": 0.9, "presence_penalty": 0.5, "frequency_penalty": 0.1}),
    "a seed": ([USER], {"seed": 7}),
    "a stop word": ([USER], {"stop": ["\n", "END"]}),
    "one choice": ([USER], {"n": 1}),
    "a user": ([USER], {"user": "u-1"}),
    "logprobs": ([USER], {"logprobs": True, "top_logprobs": 2}),
    "a bias": ([USER], {"logit_bias": {"50": -100}}),
    "JSON": ([USER], {"response_format": {"type": "json_object"}}),
    "a schema": ([USER], {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}),
    "text as the format": ([USER], {"response_format": {"type": "text"}}),
    "a tool": ([USER], {"tools": [TOOL]}),
    "two tools": ([USER], {"tools": [TOOL, {**TOOL, "function": {**TOOL["function"], "name": "time"}}]}),
    "a tool that must be used": ([USER], {"tools": [TOOL], "tool_choice": "required"}),
    "a tool by name": ([USER], {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
    "no tool": ([USER], {"tools": [TOOL], "tool_choice": "none"}),
    "a tool's result": (
        [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]},
         {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}],
        {"tools": [TOOL]},
    ),
    "an option of llama.cpp": ([USER], {"extra_body": {"cache_prompt": True, "top_k": 40, "grammar": "root ::= x"}}),
}  # fmt: skip


@pytest.fixture(params=clients.CLIENTS)
def kind(request):
    return request.param


@pytest.fixture
def client(kind, gateway):
    return clients.CLIENTS[kind](f"{gateway.url}/v1")


@pytest.fixture
def direct(kind, expert):
    return clients.CLIENTS[kind](f"{expert.url}/v1")


def test_there_are_as_many_cases_as_promised():
    assert 2 * len(CASES) >= 60


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", CASES)
def test_the_gateway_is_not_to_be_seen(expert, client, direct, case, stream):
    messages, options = CASES[case]
    expected = direct.ask(json.loads(json.dumps(messages)), stream=stream, **options)
    found = client.ask(json.loads(json.dumps(messages)), stream=stream, **options)
    assert found == expected
    assert found.text or found.tool_calls
    assert found.model == "expert-main"
    # And the expert sees what it would see without the gateway, to the byte.
    first, second = [one.body for one in expert.script.requests]
    assert first == second


def test_a_stream_has_its_count_of_tokens_when_asked(client):
    assert client.ask([USER], stream=True, stream_options={"include_usage": True}).tokens == (5, 3)


@pytest.mark.parametrize("chunks", [0, 1, 500])
def test_streams_of_any_length(expert, client, chunks):
    expert.plan(Answer(chunks=chunks))
    assert client.ask([USER], stream=True).text == "".join(f"t{index} " for index in range(chunks))


def test_a_comment_in_a_stream_disturbs_nobody(expert, client):
    expert.plan(Answer(comment_first=True))
    assert client.ask([USER], stream=True).text == "t0 t1 t2 "


@pytest.mark.parametrize("act", [Hangup(), Raw(b"HTTP/1.1 200 OK\r\n"), Answer(cut_after=0)], ids=str)
def test_a_lost_connection_before_the_first_byte_is_not_seen(expert, client, act):
    expert.plan(act)
    assert client.ask([USER], stream=True).text == "t0 t1 t2 "


@pytest.mark.parametrize("act", [Answer(cut_after=2), Answer(ends_early=True), Answer(error_after=2)], ids=str)
def test_an_answer_that_breaks_off_is_an_error_in_every_client(expert, client, act):
    expert.plan(act)
    with pytest.raises(clients.ClientError) as error:
        client.ask([USER], stream=True)
    assert "incomplete" in error.value.text or "out of memory" in error.value.text


def llama_error(status, message, kind="server_error"):
    return Failure(status, json.dumps({"error": {"code": status, "message": message, "type": kind}}))


ERRORS = {
    "too long": (llama_error(400, "exceeds the available context size", "exceed_context_size_error"), {}, 400),
    "a bug of the expert": (llama_error(500, "boom"), {}, 502),
    "an expert that loads": (llama_error(503, "Loading model"), {}, 503),
    "an expert that is busy": (llama_error(429, "slow down"), {}, 429),
    "the expert's own key": (llama_error(401, "Invalid API Key"), {}, 502),
    "not supported": (llama_error(501, "This server does not support it"), {}, 400),
    "HTML": (Failure(500, "<html>"), {}, 502),
    "a wrong temperature": (Answer(), {"temperature": 1000}, 400),
    "a wrong tool": (Answer(), {"tools": [{"type": "function", "function": {"name": ""}}]}, 400),
    "no choices": (Answer(), {"n": 0}, 400),
}
KINDS = {
    400: {"BadRequestError"}, 401: {"AuthenticationError"}, 403: {"PermissionDeniedError"}, 404: {"NotFoundError"},
    429: {"RateLimitError"}, 502: {"InternalServerError", "APIStatusError"},
    503: {"InternalServerError", "APIStatusError"},
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_the_clients_own_kind_of_error(expert, client, case, stream):
    act, options, status = ERRORS[case]
    expert.plan(always=act)
    with pytest.raises(clients.ClientError) as error:
        client.ask([USER], stream=stream, **options)
    assert error.value.kind in KINDS[status]
    assert error.value.status == status


def test_an_unknown_model_is_not_found(kind, gateway):
    with pytest.raises(clients.ClientError) as error:
        clients.CLIENTS[kind](f"{gateway.url}/v1", model="gpt-5").ask([USER], stream=False)
    assert error.value.kind in KINDS[404]


def test_langchain_makes_objects_of_a_schema(gateway):
    from pydantic import BaseModel

    class City(BaseModel):
        city: str

    chat = clients.LangChain(f"{gateway.url}/v1").chat()
    for method in ("function_calling", "json_schema"):
        assert chat.with_structured_output(City, method=method).invoke("where?") == City(city="Paris")


def test_openai_lists_models_embeds_and_completes(gateway):
    client = clients.OpenAISync(f"{gateway.url}/v1").client
    assert [model.id for model in client.models.list()] == ["expert-main"]
    assert client.models.retrieve("expert-main").owned_by == "anneal"
    found = client.embeddings.create(model="expert-main", input=["a", "b"], encoding_format="float")
    assert [one.embedding for one in found.data] == [[0.5, -0.25]] * 2
    assert client.completions.create(model="expert-main", prompt="a").choices[0].text == "echo: a"
    parts = client.completions.create(model="expert-main", prompt="a", stream=True)
    assert "".join(part.choices[0].text for part in parts) == "t0 t1 t2 "


def test_openais_own_retries_pass_over_a_loading_expert(gateway, expert):
    import openai

    expert.plan(llama_error(503, "Loading model"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=2)
    answer = client.chat.completions.create(model="expert-main", messages=[USER])
    assert answer.choices[0].message.content == "echo: hi"
