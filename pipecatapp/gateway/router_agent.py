"""Chooses experts by asking ROUTER_AGENT, at an expert of the cluster or at any OpenAI-compatible endpoint."""

import json
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import aiohttp

from evolve.core.model.json_value import JsonValue

if TYPE_CHECKING:
    from pipecatapp.serving.agent_file import AgentFile

_EXPERT_TAG: Final = "expert"
"""The tag that all experts have: it says nothing of what one is good for."""
_HEAD: Final = 600
_TAIL: Final = 300
"""Characters of a long message that are shown: what somebody wants of a text is before it or behind it."""


class Endpoint(NamedTuple):
    """Where the agent's model answers now."""

    url: str
    """`http://HOST:PORT`, without `/v1`."""
    model: str
    api_key: str
    tls: ssl.SSLContext | Literal[True] = True
    """How its certificate is checked; True for the system's authorities."""


class RouterAgent:
    """Asks the agent for an expert. It needs the event loop that runs; close it at the end."""

    def __init__(self, agent: "AgentFile", endpoint: Callable[[], Endpoint | None]) -> None:
        """Make a chooser.

        Args:
            agent: with the inputs `message` and `experts` and the answer `expert`.
            endpoint: who answers; None where nobody does at the moment.
        """
        self._agent = agent
        self._endpoint = endpoint
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def choose(self, message: str, tags: Mapping[str, tuple[str, ...]]) -> str | None:
        """Return the expert that the agent names; None where it is not sure, or nobody can be asked.

        Args:
            message: the last one of the user.
            tags: of each expert, by its id.

        Raises:
            aiohttp.ClientError: the endpoint cannot be reached, or answers with an error.
        """
        endpoint = self._endpoint()
        if endpoint is None:
            return None
        shown: JsonValue = {id: _shown(own) for id, own in sorted(tags.items())}
        prompt = self._agent.prompt({"message": shorten(message), "experts": shown})
        messages: JsonValue = [dict(message) for message in prompt.messages]
        body: JsonValue = {"model": endpoint.model, "messages": messages, **prompt.config}
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        url = f"{endpoint.url}/v1/chat/completions"
        async with self._session.post(
            url, json=body, headers=headers, ssl=endpoint.tls, raise_for_status=True
        ) as answer:
            named = expert_of(await answer.json(content_type=None))
        return named if named in tags else None


def shorten(message: str) -> str:
    """Return a message as the agent sees it: of a long one the beginning and the end."""
    return message if len(message) <= _HEAD + _TAIL else f"{message[:_HEAD]} ... {message[-_TAIL:]}"


def expert_of(answer: JsonValue) -> str:
    """Return the expert that an answer of the endpoint names; empty where it names none."""
    match answer:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            try:
                value = json.loads(text)
            except ValueError:
                return ""
            return str(value["expert"]) if isinstance(value, dict) and isinstance(value.get("expert"), str) else ""
    return ""


def _shown(tags: tuple[str, ...]) -> str:
    return ", ".join(tag for tag in tags if tag != _EXPERT_TAG) or "no tags"
