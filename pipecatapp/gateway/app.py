"""The ASGI application: FastAPI for the cheap routes, plain apps for those that cost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Route

from pipecatapp.gateway.completions import completions
from pipecatapp.gateway.config import Access
from pipecatapp.gateway.exchange import own_bug
from pipecatapp.gateway.gateway import Gateway
from pipecatapp.gateway.openapi import document, error_answers
from pipecatapp.wire.openai import ApiError, ModelCard, ModelList

_NAMES = {404: "not_found", 405: "method_not_allowed"}


class Readiness(BaseModel):
    """The body of `GET /health/ready`."""

    ready: bool
    reasons: list[str]
    """Why requests cannot be answered."""
    warnings: list[str]
    """What somebody should look at; requests are answered."""


class Liveness(BaseModel):
    """The body of `GET /health/live`."""

    alive: bool


def inner_app(gateway: Gateway) -> FastAPI:
    """Return the app without its outermost layer."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    # First, so that they are found first; an instance with __call__ is an ASGI app to Starlette.
    for path, route in completions(gateway).items():
        app.router.routes.append(Route(path, route, methods=["POST"], include_in_schema=False))
    _add_models(app, gateway)
    _add_health(app, gateway)
    _add_errors(app)
    _add_document(app)
    return app


def _add_document(app: FastAPI) -> None:
    # FastAPI's own way to replace the document: https://fastapi.tiangolo.com/how-to/extending-openapi/
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_models(app: FastAPI, gateway: Gateway) -> None:
    def access_of(request: Request) -> Access:
        name = gateway.keys.name_of(request.headers.get("authorization", ""))
        return gateway.config.access_of(name)

    @app.get("/v1/models", responses=error_answers(401, 500), openapi_extra={"security": [{"key": []}]})
    async def list_models(request: Request) -> ModelList:
        """List the models that the key may ask."""
        return ModelList(data=gateway.models(access_of(request)))

    @app.get("/v1/models/{id}", responses=error_answers(401, 404, 500), openapi_extra={"security": [{"key": []}]})
    async def show_model(request: Request, id: str) -> ModelCard:
        """Show one model."""
        for card in gateway.models(access_of(request)):
            if card.id == id:
                return card
        raise ApiError(
            404, "no such model; GET /v1/models lists those that there are", code="model_not_found", param="model"
        )


def _add_health(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/health/live")
    async def live() -> Liveness:
        """Say that the process answers."""
        return Liveness(alive=True)

    @app.get("/health/ready", responses={503: {"model": Readiness, "description": "No expert can answer"}})
    async def ready(response: Response) -> Readiness:
        """Say whether an expert can answer, and why not."""
        health = gateway.health()
        response.status_code = 503 if health.reasons else 200
        return Readiness(ready=not health.reasons, reasons=list(health.reasons), warnings=list(health.warnings))


def _add_errors(app: FastAPI) -> None:
    async def of_api(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return Response(error.body(), error.status, error.headers, "application/json")

    async def of_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _NAMES.get(error.status_code, "invalid_request")
        message = "no such path" if error.status_code == 404 else f"{error.detail}"
        body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
        return JSONResponse(body, error.status_code, error.headers)

    async def of_bug(_request: Request, _error: Exception) -> Response:
        error = own_bug()
        return Response(error.body(), error.status, None, "application/json")

    app.add_exception_handler(Exception, of_bug)
    app.add_exception_handler(ApiError, of_api)
    app.add_exception_handler(HTTPException, of_http)
