"""Adapters of hosted models: ids, keys, replies that are no plain text, and what must never be printed."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, EvolveError, InputError, MissingKeyFault
from evolve.core.model.ports import Classifier, Embedder, Moderator
from evolve.providers import known_providers
from evolve.providers.openai_services import SERVICES
from evolve.providers.prices import price_list
from fixtures.faulty_server import FaultyServer, Ok, Status
from fixtures.opened_providers import OpenedProviders, run

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "providers.md").read_text("utf-8")
KEY = "sk-verysecretkey-0123456789abcdef"
AWS = {"accessKeyId": "AKIAEXAMPLE12345", "secretAccessKey": KEY}
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"


def keyed(server: FaultyServer, **config: Any) -> dict[str, Any]:
    return {"apiBaseUrl": server.url, "apiKey": KEY, **config}


def replying(server: FaultyServer, reply: Any) -> None:
    server.plan(then=Ok(body=json.dumps(reply)))


# --- keys


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic:messages:m", "ANTHROPIC_API_KEY"),
        ("google:gemini-2.5-pro", "GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("groq:m", "GROQ_API_KEY"),
        ("openrouter:m", "OPENROUTER_API_KEY"),
        ("mistral:m", "MISTRAL_API_KEY"),
        ("xai:m", "XAI_API_KEY"),
        ("perplexity:m", "PERPLEXITY_API_KEY"),
        ("github:m", "GITHUB_TOKEN"),
        ("deepseek:m", "DEEPSEEK_API_KEY"),
        ("togetherai:m", "TOGETHER_API_KEY"),
        ("cerebras:m", "CEREBRAS_API_KEY"),
        ("fireworks:m", "FIREWORKS_API_KEY"),
        ("openai:responses:m", "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_named_with_its_variable(providers: OpenedProviders, name: str, variable: str) -> None:
    with pytest.raises(MissingKeyFault, match=rf"provider '{name}' has no API key.*{variable}"):
        providers.open(name)


def test_azure_without_credentials_lists_both_ways(providers: OpenedProviders) -> None:
    with pytest.raises(MissingKeyFault, match="AZURE_API_KEY, or AZURE_TENANT_ID"):
        providers.open("azure:chat:d", {"apiHost": "x.openai.azure.com"})


@pytest.mark.parametrize("name", ["ollama:chat:m", "litellm:m", "localai:m", "vllm:m", "huggingface:chat:m"])
def test_local_services_need_no_key(providers: OpenedProviders, name: str) -> None:
    assert providers.open(name).id == name


def test_the_openai_key_goes_to_no_other_service(providers: OpenedProviders) -> None:
    providers.env["OPENAI_API_KEY"] = KEY
    with pytest.raises(MissingKeyFault, match="GROQ_API_KEY"):
        providers.open("groq:m")


def test_a_key_is_in_a_header_and_in_no_url_message_or_repr(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    faulty_server.plan(then=Status(403, f"key {KEY} is not allowed"))
    provider = providers.open("google:gemini-2.5-pro", keyed(faulty_server))

    async def refused() -> None:
        try:
            await provider.answer(Request("x"))
        finally:
            await provider.close()

    with pytest.raises(EnvironmentFault) as caught:
        run(refused())
    assert faulty_server.requests[-1].headers["x-goog-api-key"] == KEY
    assert KEY not in faulty_server.requests[-1].path + str(caught.value) + repr(vars(provider))


# --- ids


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("anthropic:completion:claude-2", "use anthropic:messages:MODEL"),
        ("anthropic:claude-agent-sdk", "agents are not started"),
        ("anthropic:", "expected anthropic:messages:MODEL"),
        ("google:live:m", "only text and vectors"),
        ("vertex:text-bison", "PaLM"),
        ("ollama:chat:", "expected ollama:chat:MODEL"),
        ("azure:image:d", "expected azure:chat:DEPLOYMENT"),
        ("bedrock:kb:x", "only text and vectors"),
        ("huggingface:m", "expected huggingface:chat:MODEL"),
        ("groq:", "expected groq:MODEL"),
    ],
)
def test_other_ids_are_refused_with_what_is_expected(providers: OpenedProviders, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        providers.open(name, {"apiKey": KEY, "apiHost": "host"} if not name.startswith("bedrock") else {"apiKey": KEY})


def test_all_services_are_known_providers() -> None:
    expected = {
        "anthropic",
        "google",
        "vertex",
        "ollama",
        "azure",
        "azureopenai",
        "bedrock",
        "huggingface",
        "hf",
        "groq",
    }
    assert expected <= set(known_providers())


def test_a_setting_of_another_provider_does_nothing(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.ask("anthropic:m", "x", **keyed(faulty_server, maxOutputTokens=9, seed=1))
    assert faulty_server.requests[-1].json.keys() == {"model", "messages", "max_tokens", "temperature", "stream"}


# --- Claude


def test_what_claude_thinks_stands_before_its_answer(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yes"}]
    replying(faulty_server, {"content": content, "stop_reason": "max_tokens", "usage": {}})
    shown = providers.ask("anthropic:m", "x", **keyed(faulty_server))
    assert shown.output == "Thinking: hm\nSignature: s\n\nyes"
    assert shown.finish_reason == "length"
    assert providers.ask("anthropic:m", "x", **keyed(faulty_server, showThinking=False)).output == "yes"


def test_cached_tokens_have_their_price(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    replying(faulty_server, {"content": [{"type": "text", "text": "x"}], "usage": usage})
    answer = providers.ask("anthropic:messages:claude-sonnet-4-5", "x", **keyed(faulty_server))
    assert (answer.tokens.prompt, answer.tokens.cached, answer.tokens.total) == (130, 100, 135)
    assert answer.cost == pytest.approx((10 * 3 + 100 * 0.3 + 20 * 3.75 + 5 * 15) / 1e6)


def test_own_prices_win_and_an_unknown_model_has_none(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    config = keyed(faulty_server, inputCost=0.001, outputCost=0.002)
    assert providers.ask("anthropic:unknown", "x", **config).cost == pytest.approx(0.013)
    assert providers.ask("anthropic:unknown", "x", **keyed(faulty_server)).cost is None


def test_a_data_url_of_an_image_is_taken_apart(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    image = {"type": "image", "source": {"type": "base64", "data": f"data:image/png;base64,{IMAGE}"}}
    providers.ask("anthropic:m", json.dumps([{"role": "user", "content": [image]}]), **keyed(faulty_server))
    sent = faulty_server.requests[-1].json["messages"][0]["content"][0]["source"]
    assert sent == {"type": "base64", "media_type": "image/png", "data": IMAGE}


@pytest.mark.parametrize("name", ["anthropic:m", "google:gemini-2.5-pro", "ollama:chat:m", "openai:responses:m"])
def test_a_chat_in_yaml_is_a_chat(providers: OpenedProviders, faulty_server: FaultyServer, name: str) -> None:
    prompt = "- role: system\n  content: Be brief\n- role: user\n  content: Hello\n"
    assert providers.ask(name, prompt, **keyed(faulty_server)).output == "echo: Hello"
    assert "Be brief" in json.dumps(faulty_server.requests[-1].json)


def test_a_prompt_over_the_models_limit_is_the_tests_error(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    faulty_server.plan(then=Status(400, "prompt is too long: 210000 tokens > 200000 maximum"))
    with pytest.raises(CannotEvaluate, match="210000 tokens"):
        providers.ask("anthropic:m", "x", **keyed(faulty_server))
    assert len(faulty_server.requests) == 1


# --- Gemini


def test_a_blocked_answer_is_the_rows_error(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    ratings = [{"category": "HARM", "probability": "HIGH"}]
    replying(faulty_server, {"candidates": [{"finishReason": "SAFETY", "safetyRatings": ratings}]})
    answer = providers.ask("google:gemini-2.5-pro", "x", **keyed(faulty_server))
    assert answer.error == "Response was blocked with finish reason: SAFETY (Safety ratings: HARM: HIGH)"
    assert answer.finish_reason == "content_filter"


def test_a_blocked_prompt_is_the_rows_error_and_vertexs_answer(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    replying(faulty_server, {"promptFeedback": {"blockReason": "OTHER"}})
    assert providers.ask("google:gemini-2.5-pro", "x", **keyed(faulty_server)).error == "Response blocked: OTHER"
    answer = providers.ask("vertex:gemini-2.5-pro", "x", apiHost=faulty_server.url, apiKey=KEY)
    assert (answer.output, answer.error) == ("Response blocked: OTHER", None)
    assert answer.guardrails is not None
    assert answer.guardrails["flaggedInput"] is True


def test_an_image_among_the_vars_is_sent_as_an_image(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    request = Request(f"What is this?\n{IMAGE}", vars={"image": IMAGE})
    providers.ask("google:gemini-2.5-pro", request, **keyed(faulty_server))
    parts = faulty_server.requests[-1].json["contents"][0]["parts"]
    assert parts == [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": IMAGE}}]


def test_thoughts_are_paid_as_output(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 100, "totalTokenCount": 115}
    replying(faulty_server, {"candidates": [{"content": {"parts": [{"text": "x"}]}}], "usageMetadata": usage})
    answer = providers.ask("google:gemini-2.5-flash", "x", **keyed(faulty_server))
    assert answer.tokens.completion == 5
    assert answer.cost == pytest.approx((10 * 0.3 + 105 * 2.5) / 1e6)


# --- others


def test_ollama_may_answer_in_a_stream(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    lines = [{"message": {"content": "a"}, "done": False}, {"message": {"content": "b"}, "done": True, "eval_count": 2}]
    body = "\n".join(json.dumps(line) for line in lines)
    faulty_server.plan(Ok(body=json.dumps(lines[0])), then=Ok(body=body, content_type="application/x-ndjson"))
    answer = providers.ask("ollama:chat:m", "x", **keyed(faulty_server))
    assert (answer.output, answer.tokens.completion) == ("ab", 2)
    assert len(faulty_server.requests) == 2  # a stream without its end is asked again


def test_what_azures_filter_refuses_is_a_flagged_answer(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    faulty_server.plan(then=Status(400, "filtered", error={"code": "content_filter", "status": 400}))
    answer = providers.ask("azure:chat:d", "x", **keyed(faulty_server))
    assert answer.output == "filtered"
    assert answer.guardrails == {"flagged": True, "flaggedInput": True, "flaggedOutput": False}


def test_azure_takes_a_token_of_entra_and_keeps_it(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    token = Ok(body=json.dumps({"access_token": "token-of-entra-1", "expires_in": 3600}))
    faulty_server.plan(token)
    config = {"apiBaseUrl": faulty_server.url, "azureTenantId": "t", "azureClientId": "c", "azureClientSecret": KEY}

    async def twice(provider: Any) -> None:
        await provider.answer(Request("one"))
        await provider.answer(Request("two"))

    providers.use("azure:chat:d", {**config, "azureAuthorityHost": faulty_server.url}, twice)
    assert [request.path.partition("?")[0] for request in faulty_server.requests] == [
        "/t/oauth2/v2.0/token",
        *["/openai/deployments/d/chat/completions"] * 2,
    ]
    assert faulty_server.requests[-1].headers["authorization"] == "Bearer token-of-entra-1"


def test_bedrock_requests_are_signed_and_say_so_to_nobody(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    providers.ask("bedrock:converse:amazon.nova-lite-v1:0", "x", endpoint=faulty_server.url, **AWS)
    signed = faulty_server.requests[-1].headers["authorization"]
    pattern = (
        r"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE12345/\d{8}/us-east-1/bedrock/aws4_request, SignedHeaders=.*host.*"
    )
    assert re.match(pattern, signed)
    assert KEY not in json.dumps(dict(faulty_server.requests[-1].headers))


def test_a_bedrock_key_needs_no_botocore(
    providers: OpenedProviders, faulty_server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    providers.ask("bedrock:converse:m", "x", endpoint=faulty_server.url, apiKey=KEY)
    assert faulty_server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(EnvironmentFault, match=r"needs botocore.*install.*bedrock"):
        providers.open("bedrock:converse:m", AWS)


def test_vertex_gets_a_token_for_a_service_account(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "client_email": "me@my-project.iam.gserviceaccount.com",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "token_uri": f"{faulty_server.url}/token",
    }
    faulty_server.plan(Ok(body=json.dumps({"access_token": "token-of-google-1", "expires_in": 3600})))
    config = {"apiHost": faulty_server.url, "credentials": json.dumps(account), "region": "europe-west1"}
    assert providers.ask("vertex:claude-sonnet-4-5", "hello", **config).output == "echo: hello"
    asked = faulty_server.requests[-1]
    assert asked.headers["authorization"] == "Bearer token-of-google-1"
    where = "projects/my-project/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5:rawPredict"
    assert asked.path == f"/v1/{where}"


@pytest.mark.parametrize(
    "name",
    [
        "google:embedding:gemini-embedding-001",
        "ollama:embeddings:nomic-embed-text",
        "azure:embedding:d",
        "huggingface:feature-extraction:m",
        "mistral:embedding:mistral-embed",
        "bedrock:embeddings:amazon.titan-embed-text-v2:0",
    ],
)
def test_embedders_make_vectors_and_answer_no_prompts(
    providers: OpenedProviders, faulty_server: FaultyServer, name: str
) -> None:
    config = {"endpoint": faulty_server.url, **AWS} if name.startswith("bedrock") else keyed(faulty_server)

    async def embed(provider: Embedder) -> Any:
        return (await provider.embed("text")).vector

    assert providers.use(name, config, embed) == (0.5, -0.5, 1.0)
    with pytest.raises(CannotEvaluate, match="makes vectors"):
        providers.ask(name, "x", **config)


@pytest.mark.parametrize(
    ("kind", "scores"),
    [("text-classification", {"POSITIVE": 0.9, "NEGATIVE": 0.1}), ("token-classification", {"PER": 0.9})],
)
def test_hugging_face_classifies(
    providers: OpenedProviders, faulty_server: FaultyServer, kind: str, scores: Mapping[str, float]
) -> None:
    async def classify(provider: Classifier) -> Any:
        return (await provider.classify("a good day")).scores

    assert providers.use(f"huggingface:{kind}:m", keyed(faulty_server), classify) == scores


def test_openai_moderates(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    async def moderate(provider: Moderator) -> Any:
        return [flag.code for flag in (await provider.moderate("", "a knife")).flags]

    config = keyed(faulty_server)
    assert providers.use("openai:moderation", config, moderate) == ["violence"]
    assert faulty_server.requests[-1].json == {
        "model": "omni-moderation-latest",
        "input": [{"type": "text", "text": "a knife"}],
    }


def test_settings_that_change_an_answer_are_in_its_identity(providers: OpenedProviders) -> None:
    def identity(**config: Any) -> str:
        return json.dumps(providers.open("anthropic:m", {"apiKey": KEY, **config}).identity(Request("x")))

    plain = identity()
    changed = [
        identity(max_tokens=5),
        identity(apiBaseUrl="http://127.0.0.1:1"),
        identity(beta=["context-1m"]),
        identity(showThinking=False),
        identity(headers={"X-Route": "b"}),
        identity(inputCost=1),
    ]
    assert len({plain, *changed}) == 7
    assert KEY not in plain
    assert "hunter22" not in identity(headers={"X-Api-Token": "hunter22"})


def test_the_documentation_has_a_row_for_each_service_with_its_key_and_address() -> None:
    rows = DOCUMENTATION.split("## Hosted models")[1].split("## HTTP services")[0].splitlines()
    by_name = {row[3 : row.index(":")]: row for row in rows if row.startswith("| `")}
    hosted = {"anthropic", "google", "vertex", "azure", "bedrock", "ollama", "huggingface"}
    assert by_name.keys() == hosted | SERVICES.keys()
    for name, service in SERVICES.items():
        expected = {
            service.key,
            f"{name.upper()}_BASE_URL",
            *service.urls,
            *(f"{name}:{kind}:" for kind in service.kinds),
        }
        assert {word for word in expected - {f"{name}:chat:"} if word not in by_name[name]} == set()
    documented = set(re.findall(r"`([a-z]+):", DOCUMENTATION)) | {"echo", "http", "https", "javascript"}
    assert set(known_providers()) <= documented


def test_the_price_table_says_whence_and_when() -> None:
    prices = price_list()
    assert f"of {prices.date}" in DOCUMENTATION
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", prices.date)
    assert "promptfoo" in prices.source
    rates = [rate for models in prices.vendors.values() for rate in models.values()]
    assert len(rates) > 500
    assert all(rate["input"] >= 0 and rate["output"] >= 0 for rate in rates)


def test_env_templates_fill_keys(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.env["MY_KEY"] = KEY
    config = {"apiBaseUrl": faulty_server.url, "apiKey": "{{ env.MY_KEY }}"}
    providers.ask("anthropic:m", "x", **config)
    assert faulty_server.requests[-1].headers["x-api-key"] == KEY


def test_a_reply_of_another_protocol_is_a_fault(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    replying(faulty_server, {"hello": "world"})
    for name in ("anthropic:m", "google:gemini-2.5-pro", "ollama:chat:m", "openai:responses:m"):
        with pytest.raises(EvolveError, match="the reply is not one of"):
            providers.ask(name, "x", **keyed(faulty_server))
