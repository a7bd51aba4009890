"""Models that run on this machine: `llamacpp:smollm2-135m`, those that `evolve model` fetches, `llamacpp:PATH.gguf`.

llama.cpp (PyPI xllamacpp) runs in one server process per model and settings, which is started on demand and shared by
all workers of the machine. Prompts are sent as chat messages, or with `mode: completion` as plain text without the
model's chat template.
"""

import asyncio
import json
import os
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path

from evolve.core.formats.json_schemas import compile_open_schema
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import plain_text
from evolve.providers.config import check_keys, number_of, place_of
from evolve.providers.context import ProviderContext
from evolve.providers.embedded import EmbeddedServer, RunningServer
from evolve.providers.embedded_models import engine_version, find_model
from evolve.providers.grammar_check import held_to, schema_of
from evolve.providers.hosted import Endpoint
from evolve.providers.openai import REFUSED, SAMPLING_KEYS, merge_config, read_answer, reply_settings
from evolve.providers.openai_requests import BodyBuilder, prepare_config
from evolve.system.http_client import HttpCall, HttpClient, HttpReply
from evolve.system.retry import RetryPolicy, Transient

_SAMPLERS = (
    "grammar",
    "json_schema",
    "top_k",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "repeat_last_n",
    "logit_bias",
    "ignore_eos",
    "chat_template_kwargs",
)
_SERVER_KEYS = ("mode", "n_ctx", "n_parallel", "n_threads")
_KEYS = SAMPLING_KEYS | {*_SAMPLERS, *_SERVER_KEYS}
_MODES = ("chat", "completion")
_WORK = ("prompt_ms", "predicted_ms")
"""The parts of llama.cpp's timings in which it worked on the prompt."""
_PROBE_EVERY_S = 5.0
_PROBE_S = 5.0
"""Far above what a busy server takes: other threads than those that generate answer its health check."""
_PROBES = 2
"""Checks in a row that a server may leave unanswered: a machine that was suspended gets a second one."""
_DEADLINE_S = 1_800.0
"""Not the usual 300 s: with many workers on a slow machine the queue for one slot is long, which is no fault."""


class LlamaCpp:
    """A model in this machine's embedded server."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext, name: str) -> None:
        self.id = spec.id
        slots = int(number_of(spec, "n_parallel", 1) or 1)
        self._settings: dict[str, JsonValue] = {"n_ctx": int(number_of(spec, "n_ctx", 64) or 4096), "n_parallel": slots}
        self._is_chat = _mode(spec) == "chat"
        self._config = prepare_config(spec, context)
        _check_schema(spec, self._config)
        fixed: dict[str, JsonValue] = {"cache_prompt": True}
        self._builder = BodyBuilder(spec, context, "", _SAMPLERS, fixed)
        model = find_model(spec, name, context.base_dir, context.settings.cache_dir)
        self._identity: JsonValue = {"model": model.content_id, "engine": engine_version(), **self._settings}
        threads = int(number_of(spec, "n_threads", 1) or _cores())
        launch: dict[str, JsonValue] = {**self._settings, "n_threads": threads, "model": str(model.path), "name": name}
        self._server = EmbeddedServer(launch, self._identity, context.settings)
        self._client = HttpClient(_patience(spec, context))
        # The server has few slots. Calls that wait here use no socket, and their deadline has not begun. One more than
        # the slots is sent, so that no slot is idle between two answers.
        self._width = slots + 1
        self._gate: asyncio.Semaphore | None = None

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return {
            "provider": "llamacpp",
            "server": self._identity,
            "chat": self._is_chat,
            "body": self._body(request),
            "read": reply_settings(merge_config(self._config, request)),
            "repeat": request.repeat,
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        config = merge_config(self._config, request)
        body = self._body(request)

        async def target() -> HttpCall:
            return await self._target(body)

        def accept(call: HttpCall, reply: HttpReply) -> Answer:
            self._server.touch()
            return held_to(without_queue(read_answer(call, reply, config, is_chat=self._is_chat)), schema_of(body))

        self._gate = self._gate or asyncio.Semaphore(self._width)
        async with self._gate:
            return await self._while_needed(self._client.call_moving(target, f"embedded model {self.id}", accept))

    async def _target(self, body: JsonValue) -> HttpCall:
        server = await self._server.find_or_start()
        path = "/v1/chat/completions" if self._is_chat else "/v1/completions"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"}
        return Endpoint(server.url + path, headers, (server.api_key,), {}).call(body)

    async def _while_needed(self, call: Coroutine[None, None, Answer]) -> Answer:
        """Return the call's answer; meanwhile keep the server from ending as idle, and end one that hangs."""
        task = asyncio.ensure_future(call)
        silent = 0
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=min(self._server.idle_s / 4, _PROBE_EVERY_S))
                self._server.touch()
                silent = 0 if task.done() or await self._is_answering() else silent + 1
                if silent == _PROBES:
                    # The call then fails, and its next try starts another server.
                    self._server.end_hung()
                    silent = 0
        finally:
            task.cancel()
        return await task

    async def _is_answering(self) -> bool:
        """Return whether the server says how it is; its threads for that are others than those that generate."""
        server = self._server.known
        if server is None:
            return True
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._client.send(HttpCall("GET", f"{server.url}/health", {}))
        except TimeoutError:
            return False
        except Transient:  # it has ended: the call itself notices
            return True
        return True

    def _body(self, request: Request) -> dict[str, JsonValue]:
        config = merge_config(self._config, request)
        if self._is_chat:
            body = self._builder.chat(request.prompt, config, request)
            # Without it llama.cpp sends twenty alternatives for each token.
            return {**body, "top_logprobs": body.get("top_logprobs", 1)} if body.get("logprobs") else body
        body = self._builder.completion(plain_text(request.prompt), config)
        # A text completion has no `response_format`: llama.cpp's own `json_schema` instead.
        schema = schema_of({**body, **config})
        return body if schema is None else {**body, "json_schema": schema}

    async def server(self) -> RunningServer:
        """Return the model's server, started if it was not running; raises ProcessFault."""
        return await self._server.find_or_start()

    @property
    def state_file(self) -> Path:
        """The file with the address of the model's server: what it names is asked."""
        return self._server.state_file

    async def close(self) -> None:
        """Close the connections; the server keeps running for others, until it is idle."""
        await self._client.close()


def without_queue(answer: Answer) -> Answer:
    """Return the answer with the time that the model worked on it as its latency.

    The time measured on this side includes the wait for Anneal's own other calls: the server has few slots.
    """
    timings = answer.raw.get("timings") if isinstance(answer.raw, dict) else None
    parts = [timings.get(name) for name in _WORK] if isinstance(timings, dict) else []
    known = [float(part) for part in parts if isinstance(part, int | float)]
    return replace(answer, latency_ms=min(answer.latency_ms, sum(known))) if len(known) == len(_WORK) else answer


def _patience(spec: ProviderSpec, context: ProviderContext) -> RetryPolicy:
    timeout, retries = number_of(spec, "timeoutMs"), number_of(spec, "maxRetries")
    seconds = _DEADLINE_S if timeout is None else timeout / 1000
    return context.settings.retry_policy(deadline_s=seconds, attempt_s=seconds, max_retries=retries)


def _cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_schema(spec: ProviderSpec, config: Mapping[str, JsonValue]) -> None:
    """Raise InputError unless the config's JSON Schema is valid; one with templates is known only for each test."""
    schema = schema_of(config)
    if schema is None or "{{" in json.dumps(schema):
        return
    try:
        compile_open_schema(schema)
    except CannotEvaluate as error:
        key = "json_schema" if "json_schema" in config else "response_format"
        raise InputError(Problem(f"provider {spec.id!r}: {key}: {error}", place_of(spec, key))) from None


def _mode(spec: ProviderSpec) -> str:
    mode = spec.config.get("mode", "chat")
    if mode not in _MODES:
        message = f"provider {spec.id!r}: mode={mode!r}: expected {' or '.join(_MODES)}"
        raise InputError(Problem(message, place_of(spec, "mode")))
    return str(mode)


def open_provider(spec: ProviderSpec, context: ProviderContext) -> LlamaCpp:
    """Return the embedded model that the id names.

    Raises:
        InputError: no such model, or a wrong config.
        EnvironmentFault: engine or model is not installed; the message has the command.
    """
    check_keys(spec, context, _KEYS, REFUSED)
    return LlamaCpp(spec, context, spec.id.partition(":")[2])
