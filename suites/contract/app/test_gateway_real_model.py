"""A real llama.cpp behind the gateway: its answers, its errors, and the verdicts of a suite."""

import json
import os
import subprocess
import sys

import pytest

from fixtures import chat_clients as clients
from fixtures.real_experts import real_expert
from fixtures.running_gateways import experts_at, running_gateway
from pipecatapp.gateway.config import GatewayConfig

pytestmark = pytest.mark.filterwarnings("ignore")

HELLO = [{"role": "user", "content": "Say hello."}]
LONG = [{"role": "user", "content": "w " * 4000}]
WORDS = (
    "cat", "house", "river", "seven", "blue", "Paris", "music", "bread", "winter", "doctor", "train", "green",
)  # fmt: skip
SUITE = """
prompts: ["Write one sentence with the word {{ word }}."]
providers:
  - id: llamacpp:smollm2-135m
    label: asked directly
    config: {n_ctx: 2048, temperature: 0, max_tokens: 16}
  - id: openai:chat:expert-main
    label: through the gateway
    config: {apiBaseUrl: "URL/v1", apiKey: none, temperature: 0, max_tokens: 16}
defaultTest:
  assert: [{type: icontains, value: "{{ word }}"}, {type: word-count, value: {max: 11}}]
tests:
TESTS
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with real_expert(tmp_path_factory.mktemp("llama") / "log", "--ctx-size", "2048", "--alias", "smollm2") as url:
        yield url


@pytest.fixture(scope="module")
def gateway(real):
    with running_gateway(GatewayConfig(experts=experts_at(real))) as found:
        yield found


@pytest.mark.parametrize("kind", clients.CLIENTS)
def test_the_text_is_that_of_the_model_asked_directly(gateway, real, kind):
    options = {"temperature": 0, "max_tokens": 8}
    expected = clients.OpenAISync(f"{real}/v1").ask(HELLO, stream=False, **options)
    client = clients.CLIENTS[kind](f"{gateway.url}/v1")
    assert client.ask(HELLO, stream=False, **options).text == expected.text
    assert client.ask(HELLO, stream=True, **options).text == expected.text


def test_what_llama_cpp_adds_survives(gateway):
    body = {"model": "expert-main", "messages": HELLO, "max_tokens": 2, "logprobs": True, "top_logprobs": 2}
    answer = gateway.ask("/v1/chat/completions", body).json
    assert answer["timings"]["predicted_n"] == 2
    assert len(answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2


def test_a_schema_is_held(gateway):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    body = {"model": "expert-main", "messages": HELLO, "max_tokens": 30, "response_format": form}
    text = gateway.ask("/v1/chat/completions", body).json["choices"][0]["message"]["content"]
    assert isinstance(json.loads(text)["ok"], bool)


def test_a_count_of_tokens_comes_in_the_stream(gateway):
    body = {"model": "expert-main", "messages": HELLO, "max_tokens": 3, "stream": True}
    reply = gateway.ask("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})
    assert b'"completion_tokens":3' in reply.body
    assert reply.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        ("/v1/chat/completions", {"messages": LONG}, 400, "context_length_exceeded"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, 400, "invalid_value"),
        ("/v1/embeddings", {"input": "x"}, 400, "not_supported"),
    ],
)  # fmt: skip
def test_its_errors_have_openais_shape(gateway, path, fields, status, code):
    reply = gateway.ask(path, {"model": "expert-main", **fields})
    assert (reply.status, reply.json["error"]["code"]) == (status, code)


def test_150_answers_on_kept_connections_have_no_error(gateway):
    # llama.cpp closes a connection after 100 answers without announcing it.
    import openai

    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)
    for _ in range(150):
        answer = client.chat.completions.create(model="expert-main", messages=HELLO, max_tokens=1)
        assert answer.choices[0].finish_reason == "length"


def test_the_verdicts_of_a_suite_are_those_of_the_model_asked_directly(gateway, tmp_path):
    tests = "\n".join(f"  - vars: {{word: {word}}}" for word in WORDS)
    (tmp_path / "words.yaml").write_text(SUITE.replace("URL", gateway.url).replace("TESTS", tests))
    env = {**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path / "cache"), "EVOLVE_IDLE_S": "20"}
    command = [sys.executable, "-m", "evolve", "run", "words.yaml", "--output", "out.json"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {}
    for row in json.loads((tmp_path / "out.json").read_text())["results"]["results"]:
        reasons = [(part["pass"], part["score"], part["reason"]) for part in row["gradingResult"]["componentResults"]]
        label = row["provider"]["label"]
        found.setdefault(label, {})[row["vars"]["word"]] = (row["response"]["output"], row["success"], reasons)
    assert set(found["asked directly"]) == set(WORDS)
    assert found["through the gateway"] == found["asked directly"]
    # And the suite distinguishes answers: some pass, some fail.
    assert {verdict for _, verdict, _ in found["asked directly"].values()} == {True, False}
