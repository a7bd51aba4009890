"""Several endpoints that serve one model, as one provider: `pool:URL,URL` and `pool:consul:SERVICE?tag=TAG`.

Each endpoint (expert) speaks OpenAI's protocol. An answer's identity has the model and the request, not the expert: so
an answer that is stored is never asked for again, whichever expert gave it, and a request whose expert died goes to
another one. The URLs may also be in the config: `pool:MODEL` with `urls`.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from evolve.core.model.answers import Answer, Request
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.counts import count
from evolve.providers.config import check_keys, number_of, place_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import Endpoint, find_key, key_hints, rendered_headers
from evolve.providers.openai import REFUSED, SAMPLING_KEYS, merge_config, read_answer, reply_settings
from evolve.providers.openai_requests import BodyBuilder, prepare_config
from evolve.providers.pool_experts import Expert, Experts, Probe, model_now
from evolve.providers.pool_models import Served, read_models
from evolve.providers.pool_names import PoolNames, pool_names
from evolve.providers.pool_routing import prefix_of
from evolve.system.http_client import HttpCall, HttpClient
from evolve.system.retry import Transient

_KEYS = SAMPLING_KEYS | {"urls", "model", "slots", "apiKey", "apiKeyEnvar", "headers"}
_CONNECT_S = 2.0
"""A host that is off should be noticed soon; a living one shakes hands in milliseconds."""


class Pool:
    """One model behind several endpoints."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext, names: PoolNames) -> None:
        self.id = spec.id
        self._spec, self._context, self._names = spec, context, names
        self._config = prepare_config(spec, context)
        key = find_key(spec, context, ("EVOLVE_API_KEY",))
        headers = {"Content-Type": "application/json", **rendered_headers(spec, context)}
        secrets = (key.value,) if key.value else ()
        authorization = {"Authorization": f"Bearer {key.value}"} if key.value else {}
        self._any = Endpoint("", {**authorization, **headers}, secrets, key_hints(key))
        timeout = number_of(spec, "timeoutMs")
        self._policy = context.settings.retry_policy(
            deadline_s=None if timeout is None else timeout / 1000, max_retries=number_of(spec, "maxRetries")
        )
        self._client, self._probes = self._new_client(), self._new_client(keeps_connections=False)
        self._experts: Experts | None = None
        self._builder: BodyBuilder | None = BodyBuilder(spec, context, names.model) if names.model else None

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`. Where the model is not named, the first call asks the experts for it.

        Raises:
            InputError: the experts serve different models.
            EnvironmentFault: none answers.
        """
        config = merge_config(self._config, request)
        body = self._chat_builder().chat(request.prompt, config, request)
        return {"provider": "pool", "body": body, "read": reply_settings(config), "repeat": request.repeat}

    def check(self) -> None:
        """Raise InputError where the experts serve different models, EnvironmentFault where none answers."""
        self._found_model()

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`; raises InputError where the experts serve different models."""
        experts = self._experts = self._experts or self._new_experts()
        prefix = prefix_of(request)

        async def attempt() -> Answer:
            await experts.wait_for_one()
            try:
                with experts.borrowed(prefix) as expert:
                    return await self._ask(expert, request)
            except Transient as failure:
                # Another expert is asked at once; pauses are for a pool that has no other.
                if experts.present:
                    failure.retry_after_s = 0.0
                raise

        await self._policy.run("the experts of a pool", experts.open)
        # Each expert may die under the request once, without that being one of its tries.
        policy = replace(self._policy, max_retries=self._policy.max_retries + experts.size)
        return await policy.run(f"a pool of {count(experts.size, 'expert')}", attempt)

    async def _ask(self, expert: Expert, request: Request) -> Answer:
        config = merge_config(self._config, request)
        call = self._call(expert.url, request, config)
        try:
            reply = await expert.unless_gone(self._client.send(call))
            return read_answer(call, reply, config, is_chat=True)
        except Transient as failure:
            raise Transient(
                f"{call.name}: {failure.reason}",
                status=failure.status,
                retry_after_s=failure.retry_after_s,
                hint=failure.hint,
            ) from failure

    def _call(self, url: str, request: Request, config: Mapping[str, JsonValue]) -> HttpCall:
        body = self._chat_builder().chat(request.prompt, config, request)
        # A gateway that gets a request for the second time may know it by its key.
        key = hashlib.sha256(json.dumps([body, request.repeat], sort_keys=True).encode()).hexdigest()
        return replace(self._any, url=f"{url}/chat/completions").call(body, {"Idempotency-Key": key})

    def _chat_builder(self) -> BodyBuilder:
        if self._builder is None:
            self._builder = BodyBuilder(self._spec, self._context, self._found_model())
        return self._builder

    def _found_model(self) -> str:
        """Ask the experts which model they serve, in an event loop of its own: `identity` is called inside another."""

        async def ask() -> str:
            client = self._new_client()
            try:
                names = self._names
                return await model_now(names.members, self._probe_by(client), names.model, place_of(self._spec))
            finally:
                await client.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, ask()).result()

    def _new_experts(self) -> Experts:
        return Experts(
            self._names.members,
            self._probe_by(self._probes),
            wanted=self._names.model,
            slots=self._names.slots,
            where=place_of(self._spec),
        )

    def _new_client(self, *, keeps_connections: bool = True) -> HttpClient:
        env = self._context.env
        return HttpClient(self._policy, env, connect_s=_CONNECT_S, keeps_connections=keeps_connections)

    def _probe_by(self, client: HttpClient) -> Probe:
        async def probe(url: str, seconds: float) -> Served:
            call = HttpCall("GET", f"{url}/models", self._any.headers, None, self._any.secrets, self._any.hints)
            try:
                async with asyncio.timeout(seconds):
                    return read_models(call, await client.send(call))
            except TimeoutError as exc:
                raise Transient(f"{call.name}: no reply within {seconds:g} s") from exc

        return probe

    async def close(self) -> None:
        """See `Provider.close`."""
        experts, self._experts = self._experts, None
        if experts is not None:
            await experts.close()
        await self._client.close()
        await self._probes.close()


def open_provider(spec: ProviderSpec, context: ProviderContext) -> Pool:
    """Return the pool that a spec names; raises InputError for a wrong id or config."""
    check_keys(spec, context, _KEYS, REFUSED, hint="further fields of the request go under `passthrough`")
    return Pool(spec, context, pool_names(spec, context))
