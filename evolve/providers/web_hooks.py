"""Calls the web hooks of assertions."""

import json
from collections.abc import Mapping

from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue
from evolve.providers.context import ProviderSettings
from evolve.system.http_client import HttpCall, HttpClient, HttpReply


class WebHooks:
    """Implements `evolve.core.model.ports.Http`; without retries, because a hook may count its calls."""

    def __init__(self, settings: ProviderSettings, env: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._env = env
        self._clients: dict[float, HttpClient] = {}

    async def post_json(self, url: str, body: JsonValue, timeout_s: float) -> tuple[int, JsonValue]:
        """Return status and body; a body that is not JSON is returned as text.

        Raises:
            EnvironmentFault: no complete reply in time.
        """
        data = json.dumps(body).encode()
        call = HttpCall("POST", url, {"Content-Type": "application/json"}, data)
        return await self._client(timeout_s).call(call, _status_and_body)

    def _client(self, timeout_s: float) -> HttpClient:
        if timeout_s not in self._clients:
            policy = self._settings.retry_policy(deadline_s=timeout_s, max_retries=0)
            self._clients[timeout_s] = HttpClient(policy, self._env)
        return self._clients[timeout_s]

    async def close(self) -> None:
        """Close the pooled connections."""
        for client in self._clients.values():
            await client.close()


def _status_and_body(_: HttpCall, reply: HttpReply) -> tuple[int, JsonValue]:
    return reply.status, json_or(reply.body, reply.text)
