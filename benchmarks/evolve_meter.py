"""One model behind a loopback endpoint that counts its answers and refuses those over a budget.

All methods of `evolve_embedded.py` buy here, ours too, each through channels of its own:

http://127.0.0.1:PORT/CHANNEL/v1/chat/completions
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider

REFLECTOR = "reflector"
"""The name of the model that writes proposals, where it is another one than the one that answers."""
_START_S = 30.0
JudgeOutput = Callable[[str, JsonValue], Awaitable[JsonValue]]
"""(id of a case, output) -> what it is worth, for libraries in other processes."""


class BudgetSpent(Exception):
    """The channel has bought all answers that it may buy."""


@dataclass(slots=True)
class Channel:
    """Calls for one purpose of one method."""

    name: str
    limit: int | None = None
    """The most answers; None for no limit."""
    token_limit: int | None = None
    """Tokens after which no answer is bought; None for no limit. The answer that reaches it is the last."""
    answers: int = 0
    refused: int = 0
    """Calls over the limit."""
    unfit: int = 0
    """Prompts that the model could not take: too long for its context. They are no answers."""
    faults: int = 0
    """Calls in which the endpoint failed: a measurement with one is none."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    busy_s: float = 0.0
    """Seconds in which at least one call was under way."""
    ended: float | None = None
    """When the last answer came, by the monotonic clock; None before the first."""
    _in_flight: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)

    @property
    def is_spent(self) -> bool:
        """Whether the next call would be refused."""
        if self.token_limit is not None and self.tokens.total >= self.token_limit:
            return True
        return self.limit is not None and self.answers + self._in_flight >= self.limit

    def begin(self) -> None:
        """Takes a call's place in the budget; raises BudgetSpent when none is left."""
        if self.is_spent:
            self.refused += 1
            raise BudgetSpent(f"{self.name}: the budget is spent ({self.answers} answers, {self.tokens.total} tokens)")
        if not self._in_flight:
            self._since = time.monotonic()
        self._in_flight += 1

    def end(self, answer: Answer | None) -> None:
        """Gives the place back, and counts the answer if there was one."""
        self._in_flight -= 1
        now = time.monotonic()
        if not self._in_flight:
            self.busy_s += now - self._since
        if answer is not None:
            self.ended = now
            self.answers += 1
            self.tokens += answer.tokens


class Meter:
    """The endpoint; a context manager. It and its providers live in a thread with an event loop of their own.

    Args:
        provider: the model that answers.
        judge: judges outputs of libraries in other processes.
        reflector: answers what is asked of the model `REFLECTOR`; None: the provider answers that, too.
    """

    def __init__(self, provider: Provider, judge: JudgeOutput | None = None, reflector: Provider | None = None) -> None:
        self._provider, self._judge, self._reflector = provider, judge, reflector or provider
        self._channels: dict[str, Channel] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="meter", daemon=True)
        self._opened = AsyncExitStack()
        self._port = 0

    def __enter__(self) -> "Meter":
        self._thread.start()
        self._port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_START_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._opened.aclose(), self._loop).result(_START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def channel(self, name: str, limit: int | None = None, *, token_limit: int | None = None) -> Channel:
        """A new channel, which has bought nothing; it takes the place of an older one of that name."""
        self._channels[name] = channel = Channel(name, limit, token_limit)
        return channel

    def url(self, channel: Channel) -> str:
        """The base URL of a channel, as OpenAI's clients take it."""
        return f"http://127.0.0.1:{self._port}/{channel.name}/v1"

    def ask(
        self, channel: Channel, messages: Sequence[Mapping[str, JsonValue]], settings: Mapping[str, JsonValue]
    ) -> str:
        """The text that the model answers, asked from any thread.

        Raises:
            BudgetSpent: the channel's limit is reached.
            CannotEvaluate: the prompt is too long for the model.
            EnvironmentFault: the model failed.
        """
        asked: list[JsonValue] = [dict(message) for message in messages]
        body: dict[str, JsonValue] = {**settings, "messages": asked}
        reply = asyncio.run_coroutine_threadsafe(self._buy(channel, body), self._loop).result()
        assert isinstance(reply, dict)
        choices = reply["choices"]
        return str(choices[0]["message"].get("content") or "")  # type: ignore[index,call-overload,union-attr]  # OpenAI's

    async def _open(self) -> int:
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_post("/{channel}/v1/chat/completions", self._serve)
        application.router.add_post("/judge", self._serve_judgement)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._opened.push_async_callback(self._provider.close)
        if self._reflector is not self._provider:
            self._opened.push_async_callback(self._reflector.close)
        self._opened.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    async def _serve(self, request: web.Request) -> web.Response:
        channel = self._channels.get(request.match_info["channel"])
        if channel is None:
            return _problem(404, "no such channel")
        try:
            return web.json_response(await self._buy(channel, await request.json()))
        except BudgetSpent as error:
            return _problem(403, str(error))  # a status that no client tries again
        except CannotEvaluate as error:
            return _problem(400, str(error))
        except EnvironmentFault as error:
            return _problem(502, str(error))

    @property
    def judge_url(self) -> str:
        """Where a library in another process has an output judged: POST {"case", "output"}."""
        return f"http://127.0.0.1:{self._port}/judge"

    async def _serve_judgement(self, request: web.Request) -> web.Response:
        if self._judge is None:
            return _problem(404, "nothing judges here")
        asked = await request.json()
        # promptfoo's webhooks have the test's vars in a context.
        case = asked["case"] if "case" in asked else asked["context"]["vars"]["case_id"]
        return web.json_response(await self._judge(str(case), asked["output"]))

    async def _buy(self, channel: Channel, body: Mapping[str, JsonValue]) -> JsonValue:
        """The model's whole reply to a chat request, in the protocol's words."""
        settings: dict[str, JsonValue] = {k: v for k, v in body.items() if k not in ("messages", "model")}
        request = Request(json.dumps(body["messages"]), config={"omitDefaults": True, "passthrough": settings})
        channel.begin()
        answer = None
        try:
            answer = await (self._reflector if body.get("model") == REFLECTOR else self._provider).answer(request)
        except CannotEvaluate:
            channel.unfit += 1
            raise
        except EnvironmentFault:
            channel.faults += 1
            raise
        finally:
            channel.end(answer)
        return answer.raw


def _problem(status: int, message: str) -> web.Response:
    error = {"message": message, "type": "meter", "code": str(status)}
    return web.json_response({"error": error}, status=status)
