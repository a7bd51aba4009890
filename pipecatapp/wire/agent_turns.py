"""A turn of the agent between two processes: the request as JSON, the reply as events of its answer."""

import json
from typing import Final

from pipecatapp.core.ports import AgentReply, AgentRequest

PATH: Final = "/v1/turns"
"""Where an agent takes requests."""


def request_body(request: AgentRequest) -> bytes:
    """Return a request as JSON."""
    value = {
        "response_queue_id": request.response_queue_id,
        "key_name": request.key_name,
        "request": dict(request.request),
    }
    return json.dumps(value).encode()


def request_of(body: bytes) -> AgentRequest | None:
    """Return the request in a body; None where it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    id, name, request = (value.get(key) for key in ("response_queue_id", "key_name", "request"))
    if not isinstance(id, str) or not id or not isinstance(name, str) or not isinstance(request, dict):
        return None
    return AgentRequest(id, name, request)


def reply_of(data: bytes) -> AgentReply | None:
    """Return the reply in the data of an event; None where it is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("response_queue_id"), str):
        return None
    text, error = value.get("text", ""), value.get("error", "")
    if not isinstance(text, str) or not isinstance(error, str):
        return None
    return AgentReply(value["response_queue_id"], text, value.get("is_final") is True, error)


def reply_data(reply: AgentReply) -> bytes:
    """Return the data of an event for a reply."""
    value = {"response_queue_id": reply.response_queue_id, "text": reply.text, "is_final": reply.is_final}
    return json.dumps({**value, **({"error": reply.error} if reply.error else {})}).encode()
