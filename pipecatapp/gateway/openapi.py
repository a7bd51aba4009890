"""The OpenAPI document: FastAPI's for its own routes, and those of the plain ASGI apps from their schemas."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipecatapp.gateway.completions import CHAT, ROUTES
from pipecatapp.wire.openai import ErrorBody, Generated, GeneratingRequest

_REF: Final = "#/components/schemas/{model}"
_SUMMARIES: Final = {
    CHAT: "Answer a conversation",
    "/v1/completions": "Continue a text",
    "/v1/embeddings": "Turn texts into vectors",
}
ERRORS: Final[Mapping[int, str]] = {
    400: "The request is wrong",
    401: "No key, or an unknown one",
    403: "The key may not ask this model",
    404: "No such model",
    413: "The body is over 20 MiB",
    429: "A limit of the key is reached, or the expert is busy",
    500: "A bug of the gateway",
    502: "The expert failed",
    503: "No expert can be reached",
    504: "It took too long",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the whole API."""
    found = get_openapi(
        title="moe-gateway",
        version="1",
        summary="OpenAI's API in front of the experts of a cluster",
        routes=app.routes,
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    wanted: list[type[BaseModel]] = [*ROUTES.values(), Generated, ErrorBody]
    _, made = models_json_schema([(one, "validation") for one in wanted], ref_template=_REF)
    schemas.update(made["$defs"])
    # FastAPI's own answer to wrong parameters, of which there are none.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operation in _posts().items():
        found["paths"][path] = {"post": operation}
    return found


def route_table(document: Mapping[str, Any]) -> str:
    """Return the routes of a document as a Markdown table."""
    rows = ["| route | what it does | key | statuses |", "|---|---|---|---|"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            what = operation.get("description") or operation["summary"]
            statuses = ", ".join(sorted(operation["responses"]))
            key = "yes" if operation.get("security") else "no"
            rows.append(f"| `{method.upper()} {path}` | {what.rstrip('.')} | {key} | {statuses} |")
    return "\n".join(rows) + "\n"


def error_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the document says of errors."""
    return {status: {"description": ERRORS[status], "content": _json("ErrorBody")} for status in statuses}


def _posts() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path, schema in ROUTES.items():
        content: dict[str, Any] = _json("Generated")
        if issubclass(schema, GeneratingRequest):
            content["text/event-stream"] = {"schema": {"type": "string"}}
        errors = {str(status): answer for status, answer in error_answers(*ERRORS).items()}
        found[path] = {
            "summary": _SUMMARIES[path],
            "operationId": path.removeprefix("/v1/").replace("/", "_"),
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": _json(schema.__name__)},
            "responses": {"200": {"description": "The expert's answer", "content": content}, **errors},
        }
    return found


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=name)}}}
