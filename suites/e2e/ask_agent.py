"""A provider of suites that asks the running app as a person does, and says what the app did.

`call_api` says a test's words on the agent's page (`/ws`), decides its approvals, and returns what happened: tool
events, approvals, and the state of the house, asked of the house itself. Other vars lead to the gateway, or to a wrong
key.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `evolve run`, whose path is not this checkout's

from fixtures.e2e_app import E2eApp, killable_expert, the_app
from fixtures.e2e_turns import PageTurn
from pipecatapp.wire.agent_events import (
    AgentState,
    ApprovalAsked,
    Approve,
    Deny,
    ErrorMessage,
    Hello,
    Say,
    StateChanged,
    TurnEnded,
    read_server_message,
    write_message,
)

_PATIENCE_S: Final = 900.0
"""For one turn of the larger model on a busy machine."""
_DECISIONS: Final = {"approves": Approve, "denies": Deny}


def call_api(prompt: str, options: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return what the app did with the words of `prompt`.

    Args:
        prompt: what the person says.
        options: of the provider; its config has the model, `scripted` or `large`.
        context: its vars have `way` (page, voice, wrong key, gateway, gateway with a wrong key, killed expert; default:
            page)
            and `person` (approves, denies, waits; default: waits).
    """
    app = the_app(options["config"]["model"])
    app.reset_house()
    given = context["vars"]
    answer = _WAYS[given.get("way", "page")](app, prompt, given.get("person", "waits"))
    return {**answer, "output": {**answer["output"], "house": app.states()}}


def _by_page(app: E2eApp, words: str, person: str) -> dict[str, Any]:
    cookie = _log_in(app, app.key)
    turn = asyncio.run(_turn(app, cookie, words, person))
    return {"output": turn.output(), "metadata": turn.metadata(app.provider_id)}


def _by_voice(app: E2eApp, words: str, _person: str) -> dict[str, Any]:
    """Speak the words, and listen to the answer: `spoken` is what a model of speech understands of it."""
    # Only here: where no voice is installed, these are not there either.
    from fixtures.voices import understood

    turn, sound, rate = asyncio.run(_spoken_turn(app, _log_in(app, app.key), words))
    output = {**turn.output(), "source": turn.source, "spoken": understood(sound, rate)}
    return {"output": output, "metadata": turn.metadata(app.provider_id)}


async def _spoken_turn(app: E2eApp, cookie: str, words: str) -> tuple[PageTurn, bytes, int]:
    from fixtures.voices import caller_of, silence, spoken

    headers = {"cookie": cookie, "origin": app.agent}
    async with (
        asyncio.timeout(_PATIENCE_S),
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{app.agent}/ws", headers=headers) as page,
        caller_of(app.agent, cookie) as caller,
    ):
        turn = PageTurn(words)
        await caller.say(spoken(words) + silence(3.0))
        await caller.listen_while(_take_until_silence(page, turn))
        return turn, caller.sound, caller.rate


async def _take_until_silence(page: aiohttp.ClientWebSocketResponse, turn: PageTurn) -> None:
    """Take the page's messages until the turn is over and its answer spoken."""
    async for frame in page:
        message = read_server_message(frame.data)
        turn.take(message)
        if turn.ended is not None and message == StateChanged(AgentState.IDLE, ""):
            return
    raise ConnectionError("the agent closed the connection in the middle of a turn")


def _log_in(app: E2eApp, key: str) -> str:
    response = _post(f"{app.agent}/login", {"key": key})
    with response:
        assert response.status == 204, response.status
        return str(response.headers["set-cookie"]).partition(";")[0]


async def _turn(app: E2eApp, cookie: str, words: str, person: str) -> PageTurn:
    headers = {"cookie": cookie, "origin": app.agent}
    async with (
        asyncio.timeout(_PATIENCE_S),
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{app.agent}/ws", headers=headers) as page,
    ):
        turn = PageTurn(words)
        async for frame in page:
            message = read_server_message(frame.data)
            turn.take(message)
            if isinstance(message, Hello):
                await page.send_str(write_message(Say(words)))
            elif isinstance(message, ApprovalAsked) and person in _DECISIONS:
                await page.send_str(write_message(_DECISIONS[person](message.id)))
            elif isinstance(message, TurnEnded) or (isinstance(message, ErrorMessage) and not message.turn):
                return turn
    raise ConnectionError("the agent closed the connection in the middle of a turn")


def _with_wrong_key(app: E2eApp, words: str, _person: str) -> dict[str, Any]:
    """Log in with a wrong key, and open the page's socket without a login."""
    with _post(f"{app.agent}/login", {"key": "not-a-key"}) as login:
        status = login.status
    return {"output": {"login": status, "socket": asyncio.run(_status_of_socket(app)), "words": words}}


async def _status_of_socket(app: E2eApp) -> int:
    async with aiohttp.ClientSession() as client:
        try:
            async with client.ws_connect(f"{app.agent}/ws", headers={"origin": app.agent}):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


def _by_gateway(app: E2eApp, words: str, _person: str) -> dict[str, Any]:
    return _chat(app, app.key, words)


def _by_gateway_with_wrong_key(app: E2eApp, words: str, _person: str) -> dict[str, Any]:
    return _chat(app, "not-a-key", words)


def _chat(app: E2eApp, key: str, words: str) -> dict[str, Any]:
    body = {"model": "pipecat", "messages": [{"role": "user", "content": words}]}
    with _post(f"{app.gateway}/v1/chat/completions", body, key) as response:
        data = json.load(response)
    choices = data.get("choices", [])
    return {
        "output": {
            "status": response.status,
            "model": data.get("model"),
            "answer": choices[0]["message"]["content"] if choices else "",
            "error": data.get("error", {}).get("code"),
        }
    }


def _with_killed_expert(app: E2eApp, words: str, _person: str) -> dict[str, Any]:
    """Stream from an expert through the gateway, and kill it after its first words."""
    body = {"model": "expert-main", "stream": True, "messages": [{"role": "user", "content": words}]}
    with (
        killable_expert(app.expert_port) as expert,
        _post(f"{app.gateway}/v1/chat/completions", body, app.key) as response,
    ):
        events: list[str] = []
        for line in response:
            if line.startswith(b"data: "):
                events.append(line.removeprefix(b"data: ").decode().strip())
                # Twice would do no harm: it has ended.
                if "t0 " in events[-1]:
                    expert.kill()
    parsed = [json.loads(one) for one in events if one != "[DONE]"]
    return {
        "output": {
            "status": response.status,
            "parts": sum("choices" in one and "error" not in one for one in parsed),
            "errors": [one["error"]["code"] for one in parsed if "error" in one],
            "last": events[-1] if events else "",
        }
    }


def _post(url: str, body: Mapping[str, Any], key: str = "") -> Any:
    """Return the response, whatever its status."""
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    if key:
        request.add_header("authorization", f"Bearer {key}")
    try:
        return urllib.request.urlopen(request, timeout=_PATIENCE_S)
    except urllib.error.HTTPError as refused:
        return refused


_WAYS: Final = {
    "page": _by_page,
    "voice": _by_voice,
    "wrong key": _with_wrong_key,
    "gateway": _by_gateway,
    "gateway with a wrong key": _by_gateway_with_wrong_key,
    "killed expert": _with_killed_expert,
}
