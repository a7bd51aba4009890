"""The routes that cost: `/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`, each a plain ASGI app."""

import time
from typing import Final

from pipecatapp.gateway import agent as agents
from pipecatapp.gateway.agent import answer_by_agent
from pipecatapp.gateway.choosing import MODEL as MOE
from pipecatapp.gateway.choosing import choose_expert
from pipecatapp.gateway.config import Access
from pipecatapp.gateway.exchange import ClientGone, Exchange, Receive, Scope, Send, own_bug
from pipecatapp.gateway.gateway import Gateway
from pipecatapp.wire.openai import (
    ApiError,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ModelRequest,
    ParsedRequest,
    parse_request,
)

CHAT: Final = "/v1/chat/completions"
ROUTES: Final[dict[str, type[ModelRequest]]] = {
    CHAT: ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/embeddings": EmbeddingRequest,
}


class Completions:
    """One of the routes."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._gateway = gateway
        self._path = path
        self._schema = ROUTES[path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        metrics = self._gateway.metrics
        metrics.begin()
        try:
            await self._answer(exchange)
        except ApiError as error:
            await exchange.send_error(error)
        except ClientGone:
            exchange.is_gone = True
        except Exception:
            await exchange.send_error(own_bug())
            raise
        finally:
            self._count(exchange)

    def _count(self, exchange: Exchange) -> None:
        notes, metrics = exchange.notes, self._gateway.metrics
        # Only ids that exist: a client's own words as labels would grow without end.
        model = str(notes.get("model", ""))
        if exchange.is_gone:
            metrics.count_gone(model)
            notes["client_gone"] = True
        status = 499 if exchange.is_gone else int(notes.get("status", 0))
        if model and status == 200 and "first_byte_s" in notes:
            metrics.first_byte(model, notes["first_byte_s"])
        metrics.end(self._path, model, status, time.perf_counter() - exchange.began_at)

    async def _answer(self, exchange: Exchange) -> None:
        gateway = self._gateway
        name = gateway.keys.name_of(exchange.header(b"authorization"))
        exchange.notes["key"] = name
        access = gateway.config.access_of(name)
        exchange.answer_headers.update(gateway.limits.enter(name, access, time.monotonic()))
        try:
            request = parse_request(await exchange.read_body(), self._schema)
            await exchange.until_gone(self._serve(exchange, request, access, name))
        finally:
            gateway.limits.leave(name)

    async def _serve(self, exchange: Exchange, request: ParsedRequest, access: Access, key_name: str) -> None:
        await self._check_model(request.model, access)
        exchange.notes.update(model=request.model, stream=request.is_stream)
        await self._route(exchange, request, key_name)

    async def _check_model(self, model: str, access: Access) -> None:
        if not access.allows(model):
            message = "this key may not ask that model; GET /v1/models lists those that it may"
            raise ApiError(403, message, code="model_not_allowed", type="permission_error", param="model")
        await self._wait_for_list(self._gateway.config.moe_fallback if model == MOE else model)
        known = self._gateway.experts.knows(model)
        if model == MOE:
            known = bool(self._gateway.config.moe_fallback)
        elif model == agents.MODEL:
            known = self._gateway.agent is not None
            if known and self._path != CHAT:
                raise ApiError(400, f"{model} answers {CHAT} only", code="not_supported", param="model")
        if not known:
            message = "no such model; GET /v1/models lists those that there are"
            raise ApiError(404, message, code="model_not_found", param="model")

    async def _wait_for_list(self, model: str) -> None:
        """Raise ApiError where Consul's first list is late: "no such model" would have clients give up on it."""
        if not await self._gateway.experts.wait_for_list(model, self._gateway.config.timeouts.connect_s):
            message = (
                f"whether there is {model} is not known: Consul has not listed the experts since the gateway began"
            )
            headers = {"retry-after": "2"}
            raise ApiError(503, message, code="expert_unavailable", type="server_error", headers=headers)

    async def _route(self, exchange: Exchange, request: ParsedRequest, key_name: str) -> None:
        gateway = self._gateway
        if request.model == agents.MODEL and gateway.agent is not None:
            await answer_by_agent(gateway.agent, exchange, request, key_name, gateway.config.timeouts)
            return
        expert = request.model
        if expert == MOE:
            access = gateway.config.access_of(key_name)
            tags = {id: found for id, found in gateway.experts.tags().items() if access.allows(id)}
            config = gateway.config
            choice = await choose_expert(
                gateway.chooser, config.moe_fallback, request.value, tags, config.timeouts.choice_s
            )
            exchange.notes["choice"] = choice.reason
            gateway.metrics.count_choice(choice.expert, choice.reason)
            expert = choice.expert
        await gateway.relay.relay(exchange, request, self._path, key_name, expert)


def completions(gateway: Gateway) -> dict[str, Completions]:
    """Return the app of each of these routes by its path."""
    return {path: Completions(gateway, path) for path in ROUTES}
