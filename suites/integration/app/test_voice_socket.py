"""The microphone's websocket where the pipeline behind it fails, and whose page its problems are for."""

import asyncio
import logging

import aiohttp
import pytest

from evolve.core.model.errors import EnvironmentFault
from fixtures.running_agents import page_of, running_agent
from pipecatapp.agent.config import AgentConfig, ModelConfig
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.voice import VoicePart
from pipecatapp.voice.config import VoiceConfig
from pipecatapp.wire.agent_events import LogLine, Ping, Pong
from pipecatapp.wire.voice_events import VoiceProblem, read_voice_server_message


class NeverReady:
    """`PersonsVoice` whose start fails."""

    def __init__(self, fault: Exception | None) -> None:
        self._fault = fault

    async def run(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def wait_ready(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(params=[None, EnvironmentFault("it does not start"), ValueError("a bug")], ids=["end", "fault", "bug"])
def agent(request, monkeypatch):
    async def pipeline(_part, _room, _page):
        return NeverReady(request.param)

    monkeypatch.setattr("pipecatapp.agent.voice.missing", lambda _: "")
    monkeypatch.setattr(VoicePart, "load", lambda _: asyncio.sleep(0))
    monkeypatch.setattr(VoicePart, "pipeline", pipeline)
    with running_agent(AgentConfig(ModelConfig("http://127.0.0.1:1"), voice=VoiceConfig())) as found:
        yield found


async def until_closed(agent, cookie) -> list[str]:
    headers = {"cookie": cookie, "origin": agent.url}
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{agent.url}/voice", headers=headers) as opened,
    ):
        return [message.data async for message in opened]


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    def fail() -> None:
        raise ImportError("No module named 'loguru'")

    monkeypatch.setattr("pipecatapp.agent.voice.missing", lambda _: "")
    monkeypatch.setattr("pipecatapp.agent.voice._import_pipeline", fail)
    part = VoicePart(VoiceConfig(), AgentMetrics())
    asyncio.run(part.load())
    assert "'loguru'" in part.problem
    assert "./bootstrap.sh voice" in part.problem


def test_a_pipeline_that_ends_before_it_is_ready_holds_no_microphone(agent):
    async def run() -> None:
        # More than may be open at one time.
        for _ in range(6):
            await until_closed(agent, agent.log_in())

    asyncio.run(run())


@pytest.mark.parametrize("agent", [EnvironmentFault("it does not start")], indirect=True)
def test_a_pipeline_that_does_not_start_says_so_to_its_page(agent):
    (message,) = asyncio.run(until_closed(agent, agent.log_in()))
    assert read_voice_server_message(message) == VoiceProblem("no_voice", "it does not start")


@pytest.mark.parametrize("agent", [EnvironmentFault("it does not start")], indirect=True)
def test_a_problem_of_one_persons_voice_is_on_no_other_page(agent):
    logging.getLogger("pipecatapp").setLevel(logging.INFO)

    async def run() -> list[list[str]]:
        mine, other = agent.log_in(), agent.log_in()
        async with page_of(agent, mine) as own_page, page_of(agent, other) as other_page:
            await until_closed(agent, mine)
            await own_page.until(LogLine)
            for page in (own_page, other_page):
                await page.send(Ping())
                await page.until(Pong)
            pages = (own_page, other_page)
            return [[one.text for one in page.got if isinstance(one, LogLine)] for page in pages]

    own, others = asyncio.run(run())
    assert own == ["voice: it does not start"]
    assert others == []
