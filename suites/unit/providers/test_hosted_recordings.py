"""Adapters of hosted models send what promptfoo sends, and make of the replies what it makes of them.

fixtures/hosted/recorded.json is what promptfoo 0.121.20 did, written by fixtures/record_hosted.py.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from evolve.core.model.answers import Request
from fixtures.faulty_server import FaultyServer, Ok
from fixtures.opened_providers import OpenedProviders
from fixtures.record_hosted import CASES, KEY, PROMPTS, RECORDED, filled

RECORDING: Mapping[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text("utf-8"))
OURS: Mapping[str, Mapping[str, Any]] = {
    "ollama chat": {"stream": False},
    "ollama tools": {"stream": False},
}
"""Fields of a request that are ours: promptfoo asks Ollama for a stream and joins its parts."""
THEIRS: Mapping[str, tuple[str, ...]] = {"togetherai": ("basePath",)}
"""Fields that promptfoo sends by mistake: the folder of the suite."""
OUR_COST = ("bedrock claude",)
"""promptfoo knows the price and does not use it for this way of asking."""
EACH = [pytest.param(name, nth, id=f"{name} {nth}") for name in CASES for nth in range(len(PROMPTS))]


def ask(providers: OpenedProviders, server: FaultyServer, name: str, nth: int) -> Any:
    """Return our answer to a recorded request; the server gives the recorded reply."""
    recorded = RECORDING[name][nth]["request"]
    server.plan(then=Ok(body=json.dumps(recorded["reply"])))
    identity, settings = CASES[name]
    config = {**filled(settings, server.url), **address(name, recorded, server.url)}
    providers.env.update(OLLAMA_BASE_URL=server.url, TOGETHER_API_KEY=KEY, CEREBRAS_API_KEY=KEY)
    providers.env["HUGGINGFACE_BASE_URL"] = f"{server.url}/hf-inference"
    prompt = PROMPTS[nth].replace("{{word}}", "yes")
    if prompt.startswith("["):
        prompt = json.dumps(json.loads(prompt), indent=2)  # as both tools render a prompt that is JSON
    return providers.ask(identity, Request(prompt, vars={"word": "yes"}), **config)


def address(name: str, recorded: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the setting that leads a service with a fixed address to the loopback server."""
    if not recorded["host"] or name == "huggingface":
        return {}
    if name == "vertex":
        return {"apiHost": url}
    return {"apiBaseUrl": url + recorded["path"].removesuffix("/chat/completions")}


@pytest.mark.parametrize(("name", "nth"), EACH)
def test_a_request_is_promptfoos(providers: OpenedProviders, faulty_server: FaultyServer, name: str, nth: int) -> None:
    recorded = RECORDING[name][nth]["request"]
    ask(providers, faulty_server, name, nth)
    sent = faulty_server.requests[-1]
    theirs = {key: value for key, value in recorded["body"].items() if key not in THEIRS.get(name, ())}
    assert sent.json == {**theirs, **OURS.get(name, {})}
    assert sent.path == recorded["path"]
    expected = {key: value for key, value in recorded["headers"].items() if not key.startswith("authorization")}
    assert {key: sent.headers.get(key) for key in expected} == expected
    if "AWS4" not in recorded["headers"].get("authorization", "AWS4"):
        assert sent.headers["authorization"] == recorded["headers"]["authorization"]


@pytest.mark.parametrize(("name", "nth"), EACH)
def test_a_reply_means_what_promptfoo_takes_it_for(
    providers: OpenedProviders, faulty_server: FaultyServer, name: str, nth: int
) -> None:
    made = RECORDING[name][nth]["made"]
    answer = ask(providers, faulty_server, name, nth)
    assert answer.output == made["output"]
    if made["tokens"]["total"] is not None:
        assert (answer.tokens.total, answer.tokens.prompt, answer.tokens.completion) == (10, 7, 3)
    if name not in OUR_COST:
        assert answer.cost == (None if made.get("cost") is None else pytest.approx(made["cost"]))
    if "finishReason" in made:
        assert answer.finish_reason == made["finishReason"]
    if "guardrails" in made:
        flags = {key: value for key, value in (answer.guardrails or {}).items() if key in made["guardrails"]}
        assert flags == made["guardrails"]


@pytest.mark.parametrize("name", [name for name in CASES if RECORDING[name][0]["request"]["host"]])
def test_a_service_is_where_promptfoo_looks_for_it(providers: OpenedProviders, name: str) -> None:
    recorded = RECORDING[name][0]["request"]
    identity, settings = CASES[name]
    providers.env.update(TOGETHER_API_KEY=KEY, CEREBRAS_API_KEY=KEY)
    provider: Any = providers.open(identity, settings)
    endpoint = provider._endpoint if hasattr(provider, "_endpoint") else provider._door
    assert endpoint.url == f"https://{recorded['host']}{recorded['path']}"
