"""OpenAI-compatible endpoints: what is sent, and what a reply means."""

import json
from typing import Any

import pytest

from evolve.core.model.answers import Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from fixtures.faulty_server import FaultyServer, Ok, Status
from fixtures.opened_providers import OpenedProviders

TOOL = {"type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.fixture
def base(faulty_server: FaultyServer) -> str:
    return f"{faulty_server.url}/v1"


def body_of(server: FaultyServer) -> Any:
    return server.requests[-1].json


def test_the_body_has_promptfoos_defaults(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    providers.ask("openai:chat:m", "hello", apiBaseUrl=base)
    assert body_of(faulty_server) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "max_tokens": 1024,
    }
    assert faulty_server.requests[-1].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("name", "config", "model"),
    [
        ("openai:chat", {}, "gpt-4.1-2025-04-14"),
        ("openai:chat", {"model": "mine"}, "mine"),
        ("openai:chat:own", {"model": "mine"}, "own"),
        ("openai:completion", {}, "gpt-3.5-turbo-instruct"),
        ("openai:responses", {"model": "mine"}, "mine"),
    ],
)
def test_the_model_is_the_ids_else_the_configs_else_promptfoos_default(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str, name: str, config: dict[str, Any], model: str
) -> None:
    providers.ask(name, "x", apiBaseUrl=base, **config)
    assert body_of(faulty_server)["model"] == model


def test_a_model_of_a_config_that_is_no_name_is_refused(providers: OpenedProviders, base: str) -> None:
    with pytest.raises(InputError, match="model=7: expected the name of a model"):
        providers.open("openai:chat", {"apiBaseUrl": base, "model": 7})


def test_config_reaches_the_body(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    config = {
        "temperature": 0.2,
        "max_tokens": 50,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.3,
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "look_{{who}}"}}],
        "tool_choice": "auto",
        "passthrough": {"extra": "{{who}}"},
    }
    providers.ask("openai:chat:m", Request("hello", vars={"who": "ann"}), apiBaseUrl=base, **config)
    sent = body_of(faulty_server)
    assert sent["tools"] == [{"type": "function", "function": {"name": "look_ann"}}]
    assert sent["extra"] == "{{who}}"
    plain = {key: value for key, value in config.items() if key not in ("tools", "passthrough")}
    assert {key: sent[key] for key in plain} == plain


def test_the_prompts_own_config_wins(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    providers.ask("openai:chat:m", Request("x", config={"temperature": 0.7}), apiBaseUrl=base, temperature=0.1)
    assert body_of(faulty_server)["temperature"] == 0.7


def test_reasoning_models_take_no_temperature(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    config = {"max_completion_tokens": 99, "reasoning_effort": "low", "max_tokens": 5, "temperature": 1}
    providers.ask("openai:chat:o3-mini", "x", apiBaseUrl=base, **config)
    sent = body_of(faulty_server)
    assert sent.keys() == {"model", "messages", "max_completion_tokens", "reasoning_effort"}


def test_response_format_and_tools_are_read_from_files(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    (providers.folder / "format.json").write_text('{"type": "json_object"}', encoding="utf-8")
    (providers.folder / "tools.yaml").write_text("- {type: function, function: {name: a}}\n", encoding="utf-8")
    providers.ask(
        "openai:chat:m", "x", apiBaseUrl=base, response_format="file://format.json", tools="file://tools.yaml"
    )
    assert body_of(faulty_server)["response_format"] == {"type": "json_object"}
    assert body_of(faulty_server)["tools"] == [{"type": "function", "function": {"name": "a"}}]


@pytest.mark.parametrize(
    "prompt",
    [
        '[{"role": "system", "content": "Be brief"}, {"role": "user", "content": "hi"}]',
        "- role: system\n  content: Be brief\n- role: user\n  content: hi\n",
    ],
    ids=["json", "yaml"],
)
def test_a_prompt_may_be_a_list_of_messages(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str, prompt: str
) -> None:
    providers.ask("openai:chat:m", prompt, apiBaseUrl=base)
    assert body_of(faulty_server)["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "hi"},
    ]


@pytest.mark.parametrize("prompt", ['{"job": 1}', "[2026-01-01] ERROR", "[1, 2]", '"text"', '[{"a": 1}]'])
def test_json_that_is_no_list_of_messages_is_text(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str, prompt: str
) -> None:
    providers.ask("openai:chat:m", prompt, apiBaseUrl=base)
    assert body_of(faulty_server)["messages"] == [{"role": "user", "content": prompt}]


def test_a_broken_list_of_messages_cannot_be_sent(providers: OpenedProviders, base: str) -> None:
    with pytest.raises(CannotEvaluate, match="looks like a list of chat messages but is not valid JSON"):
        providers.ask("openai:chat:m", '[{"role": "user", "content": "say "hi""}]', apiBaseUrl=base)


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (Ok(message={"content": None, "tool_calls": [TOOL]}), [TOOL]),
        (Ok(message={"content": "", "tool_calls": [TOOL]}), [TOOL]),
        (
            Ok(message={"content": None, "function_call": {"name": "f", "arguments": "{}"}}),
            {"name": "f", "arguments": "{}"},
        ),
        (
            Ok(message={"content": "see", "tool_calls": [TOOL]}),
            {"role": "assistant", "content": "see", "tool_calls": [TOOL]},
        ),
        (Ok(message={"content": "see", "tool_calls": []}), "see"),
        (Ok(message={"content": None}), ""),
        (Ok(message={"content": "", "tool_calls": []}), ""),
        (Ok(""), ""),
        (Ok("so", message={"reasoning_content": "hm"}), "Thinking: hm\n\nso"),
        (Ok("x", message={"refusal": "No."}), "No."),
        (Ok("", finish_reason="content_filter"), "Content filtered by provider"),
    ],
)
def test_output_has_promptfoos_form(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str, reply: Ok, output: Any
) -> None:
    faulty_server.plan(reply)
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base).output == output


def test_thinking_can_be_left_out(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    faulty_server.plan(Ok("so", message={"reasoning": "hm"}))
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base, showThinking=False).output == "so"


def test_an_answer_by_schema_is_data(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    faulty_server.plan(Ok('{"a": 1}'), Ok('{"a": 1}'), Ok("{cut"))
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base, response_format=schema).output == {"a": 1}
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base).output == '{"a": 1}'
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base, response_format=schema).output == "{cut"


def test_tokens_finish_reason_cost_and_log_probabilities_are_recorded(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    choice = {
        "message": {"content": "hi"},
        "finish_reason": "function_call",
        "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1}]},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    faulty_server.plan(Ok(body=json.dumps({"choices": [choice], "usage": usage, "timings": {"cache_n": 8}})))
    answer = providers.ask("openai:chat:m", "x", apiBaseUrl=base, logprobs=True, inputCost=0.001, outputCost=0.002)
    assert answer.tokens == TokenUsage(14, 10, 4, 8, 1)
    assert answer.finish_reason == "tool_calls"
    assert answer.log_probs == (-0.5, -1.0)
    assert answer.cost == pytest.approx(0.018)
    assert answer.guardrails == {"flagged": False}
    assert body_of(faulty_server)["logprobs"] is True


def test_cost_is_unknown_without_a_price(providers: OpenedProviders, base: str) -> None:
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base).cost is None


def test_a_refusal_is_flagged(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    faulty_server.plan(Ok("x", message={"refusal": "No."}))
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base).guardrails == {"flagged": True}


def test_a_completion_gets_the_text_of_messages(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    providers.ask(
        "openai:completion:m", '[{"role":"system","content":"a"},{"role":"user","content":"b"}]', apiBaseUrl=base
    )
    assert faulty_server.requests[-1].path == "/v1/completions"
    assert body_of(faulty_server)["prompt"] == "a\n\nb"


def test_an_embedding_is_a_vector(providers: OpenedProviders, base: str) -> None:
    embedding = providers.use("openai:embedding:e", {"apiBaseUrl": base}, lambda provider: provider.embed("x"))
    assert embedding.vector == (0.5, -0.5, 1.0)
    assert embedding.tokens == 2


def test_headers_organization_and_key_are_sent(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    providers.env.update(MY_KEY="sk-from-my-own-variable", TEAM="ops")
    config = {"apiKeyEnvar": "MY_KEY", "organization": "org-1", "headers": {"X-Team": "{{ env.TEAM }}", "X-N": 5}}
    providers.ask("openai:chat:m", "x", apiBaseUrl=base, **config)
    headers = faulty_server.requests[-1].headers
    assert headers["authorization"] == "Bearer sk-from-my-own-variable"
    assert (headers["openai-organization"], headers["x-team"], headers["x-n"]) == ("org-1", "ops", "5")


def test_the_environment_names_the_endpoint(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.env.update(EVOLVE_BASE_URL=f"{faulty_server.url}/mine/", OPENAI_BASE_URL="http://elsewhere/v1")
    providers.ask("openai:chat:m", "x")
    assert faulty_server.requests[-1].path == "/mine/chat/completions"


def test_openai_itself_needs_a_key(providers: OpenedProviders) -> None:
    with pytest.raises(EnvironmentFault, match=r"no API key.*OPENAI_API_KEY"):
        providers.open("openai:chat:gpt-4o")


def test_a_wrong_key_says_where_it_came_from(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    providers.env["OPENAI_API_KEY"] = "sk-wrong-wrong-wrong"
    faulty_server.plan(then=Status(401, "Incorrect API key provided: sk-wrong-wrong-wrong"))
    with pytest.raises(EnvironmentFault, match=r"provided: \*\*\*.*comes from environment variable OPENAI_API_KEY"):
        providers.ask("openai:chat:m", "x", apiBaseUrl=base)


def test_an_exhausted_quota_is_not_tried_again(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    faulty_server.plan(then=Status(429, "You exceeded your quota", error={"code": "insufficient_quota"}))
    with pytest.raises(EnvironmentFault, match="exceeded your quota"):
        providers.ask("openai:chat:m", "x", apiBaseUrl=base)
    assert len(faulty_server.requests) == 1


def test_a_prompt_over_the_context_names_both_numbers(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 6031, "n_ctx": 4096}
    faulty_server.plan(then=Status(400, "request exceeds the available context size", error=error))
    with pytest.raises(CannotEvaluate, match="6031 tokens, its context holds 4096"):
        providers.ask("openai:chat:m", "x", apiBaseUrl=base)


@pytest.mark.parametrize("body", ['{"object": "list"}', '{"choices": []}', '{"choices": [{}]}', "[]", '"hi"', "null"])
def test_json_that_is_not_the_protocol_is_a_fault(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str, body: str
) -> None:
    faulty_server.plan(then=Ok(body=body))
    with pytest.raises(EnvironmentFault, match=r"not an OpenAI-compatible one.*usually ends in /v1"):
        providers.ask("openai:chat:m", "x", apiBaseUrl=base)


def test_an_error_in_a_good_status_is_no_answer(
    providers: OpenedProviders, faulty_server: FaultyServer, base: str
) -> None:
    faulty_server.plan(Ok(body='{"error": {"message": "overloaded"}}'))
    assert providers.ask("openai:chat:m", "x", apiBaseUrl=base).output == "echo: x"


@pytest.mark.parametrize("name", ["openai:", "openai:image:x", "openai:realtime"])
def test_other_kinds_are_refused_by_name(providers: OpenedProviders, name: str) -> None:
    with pytest.raises(
        InputError, match="expected openai:chat:MODEL, openai:completion:MODEL, openai:embedding:MODEL, openai:resp"
    ):
        providers.open(name)


def test_a_bare_model_is_a_chat_model(providers: OpenedProviders, faulty_server: FaultyServer, base: str) -> None:
    providers.ask("openai:m:latest", "x", apiBaseUrl=base)
    assert faulty_server.requests[-1].path == "/v1/chat/completions"
    assert body_of(faulty_server)["model"] == "m:latest"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"mcp": {"enabled": True}}, "'mcp' is not supported: Anneal starts no MCP"),
        ({"response_format": [1]}, "response_format=.*expected a mapping"),
        ({"tools": "x"}, "tools=.*expected a list"),
        ({"apiBaseUrl": "localhost:8080/v1"}, "expected http://HOST:PORT/v1"),
        ({"maxRetries": -1}, "maxRetries=-1: expected a number, at least 0"),
        ({"response_format": "file://no.json"}, "no.json"),
        ({"apiKey": ["x"]}, "apiKey=.*expected text"),
    ],
)
def test_a_wrong_config_is_said_at_load(providers: OpenedProviders, config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        providers.open("openai:chat:m", {"apiBaseUrl": "http://127.0.0.1:1/v1", **config})
