"""Public configurations are asked at a loopback server, and nothing else of them changes."""

from typing import Any

import pytest

from benchmarks.public_pointing import point

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("openai:chat:gpt-4o", {"apiBaseUrl": f"{URL}/v1"}),
        ("groq:llama", {"apiBaseUrl": f"{URL}/v1"}),
        ("anthropic:messages:claude", {"apiBaseUrl": URL}),
        ("ollama:chat:llama", {"apiBaseUrl": URL}),
        ("huggingface:text-generation:own/model", {"apiEndpoint": f"{URL}/models/own/model"}),
        ("bedrock:us.claude", {"endpoint": URL}),
    ],
)
def test_a_provider_gets_the_servers_address_under_its_own_key(provider: str, config: dict[str, str]) -> None:
    assert point({"providers": [provider]}, URL)["providers"] == [{"id": provider, "config": config}]
    assert point({"targets": provider}, URL)["targets"] == [{"id": provider, "config": config}]


def test_a_providers_own_settings_stay_but_for_its_host() -> None:
    given = {"id": "azure:chat:gpt", "label": "a", "config": {"apiHost": "x.azure.com", "temperature": 0}}
    (found,) = point({"providers": [given]}, URL)["providers"]
    assert found == {"id": "azure:chat:gpt", "label": "a", "config": {"temperature": 0, "apiBaseUrl": URL}}


def test_a_provider_written_as_a_mapping_of_its_id_is_pointed() -> None:
    (found,) = point({"providers": [{"openai:gpt-4o": {"label": "a", "config": {"seed": 1}}}]}, URL)["providers"]
    assert found == {"openai:gpt-4o": {"label": "a", "config": {"seed": 1, "apiBaseUrl": f"{URL}/v1"}}}


def test_addresses_lose_their_host_and_keep_their_path() -> None:
    given = ["https://example.com/api/chat?x=1", {"id": "http", "config": {"url": "https://example.com/ask"}}]
    first, second = point({"providers": given}, URL)["providers"]
    assert first == f"{URL}/api/chat?x=1"
    assert second["config"]["url"] == f"{URL}/ask"


def test_graders_are_pointed_wherever_they_are() -> None:
    grader: dict[str, Any] = {"text": "openai:gpt-4o", "embedding": {"id": "openai:embedding:e"}}
    check = {"type": "similar", "value": "x", "provider": grader}
    config = {"defaultTest": {"options": {"provider": "anthropic:c"}}, "tests": [{"assert": [check]}]}
    found = point(config, URL)
    assert found["defaultTest"]["options"]["provider"] == {"id": "anthropic:c", "config": {"apiBaseUrl": URL}}
    kinds = found["tests"][0]["assert"][0]["provider"]
    assert [kinds[kind]["config"] for kind in ("text", "embedding")] == [{"apiBaseUrl": f"{URL}/v1"}] * 2


@pytest.mark.parametrize("provider", ["echo", "python:model.py", {"id": "exec:./run.sh"}, "file://provider.yaml"])
def test_a_provider_without_an_address_asks_no_server(provider: Any) -> None:
    (found,) = point({"providers": [provider]}, URL)["providers"]
    assert URL not in str(found)


def test_everything_else_stays() -> None:
    config = {
        "prompts": ["see https://example.com"],
        "tests": [{"vars": {"u": "https://example.com"}}],
        "env": {"A": "b"},
    }
    assert point(config, URL) == config
