"""The outermost layer: every answer has a request's id, and every request a line in the log."""

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Protocol

from pipecatapp.gateway.exchange import NOTES, Receive, Scope, Send

LOG: Final = logging.getLogger("moe_gateway")
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOGGED: Final = re.compile(r"/(v1|health)(/[a-z_/]{0,40})?|/openapi\.json")
"""Paths that are ours. Any other is a stranger's text, and stays out of the log."""


class AsgiApp(Protocol):
    """What answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...


class Doorway:
    """Wraps the whole app."""

    def __init__(self, app: AsgiApp, shortcuts: Mapping[str, AsgiApp]) -> None:
        """Wrap an app.

        Args:
            app: what answers.
            shortcuts: by path, what answers POST without the layers of `app`, each of which costs for every event.
        """
        self._app = app
        self._shortcuts = shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = _request_id(scope)
        app = self._shortcuts.get(scope["path"], self._app) if scope["method"] == "POST" else self._app
        notes: dict[str, Any] = {"id": id}
        scope[NOTES] = notes
        began = time.perf_counter()

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                notes["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id.encode())]
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        except Exception:
            LOG.exception("request %s", id)
            if notes.get("status") != 500:
                # The answer has begun, and the connection has to break: an end would look complete.
                raise
        finally:
            self._log(scope, notes, time.perf_counter() - began)

    def _log(self, scope: Scope, notes: dict[str, Any], seconds: float) -> None:
        path = scope["path"] if _LOGGED.fullmatch(scope["path"]) else "other"
        LOG.info("%s", json.dumps({"method": scope["method"], "path": path, "seconds": round(seconds, 4), **notes}))


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
