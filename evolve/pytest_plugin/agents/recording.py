"""Agents for Python tests: the fixture `agent` asks them and records what was said; answers come from the store."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pytest

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.formats.json_text import json_or
from evolve.core.model.agents import Agent
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, open_answers, opened_provider
from evolve.pytest_plugin.suites.session import settings_of
from evolve.store.agents import find_agent, load_agent, load_bank

T = TypeVar("T")

_STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to an agent and its answer; the output is None when there was none."""

    agent: Agent
    agent_name: str
    """As the test spelt it: a name, or a file's path."""
    vars: Mapping[str, JsonValue]
    prompt: str
    settings: Mapping[str, JsonValue]
    provider: str
    output: JsonValue
    family: str = ""
    accepted: tuple[JsonValue, ...] = ()
    forbidden: tuple[JsonValue, ...] = ()


EXCHANGES: pytest.StashKey[list[Exchange]] = pytest.StashKey()
"""What an item asked, in order."""
_DESK: "pytest.StashKey[AgentDesk]" = pytest.StashKey()


class RecordedAgent:
    """An agent that a test asks."""

    def __init__(self, desk: "AgentDesk", name: str, record: list[Exchange], labels: Mapping[str, Any]) -> None:
        self._desk, self._name, self._record, self._labels = desk, name, record, labels
        self.agent, self._bank = desk.agent(name)

    def ask(self, **vars: JsonValue) -> Any:
        """The agent's answer to these vars: the value of its JSON, or its text where it is no JSON.

        Raises:
            EnvironmentFault: the endpoint failed; the test becomes an error, not a failure.
            CannotEvaluate: the user's own provider code failed, or a var is missing.
        """
        prompt = render_agent(self.agent, vars, self._bank, self._desk.templates.render)
        request = Request(prompt.text, vars, prompt.config, label=self.agent.title)
        output, provider = self._desk.answer(self.agent, request)
        self._record.append(
            Exchange(self.agent, self._name, vars, prompt.text, prompt.config, provider, output, **self._labels)
        )
        return json_or(output, output) if isinstance(output, str) else output


class OpenAgent:
    """The fixture's value: opens agents for one test."""

    def __init__(self, desk: "AgentDesk", record: list[Exchange]) -> None:
        self._desk, self._record = desk, record

    def __call__(
        self,
        name: str,
        *,
        family: str = "",
        accepted: Sequence[JsonValue] = (),
        forbidden: Sequence[JsonValue] = (),
    ) -> RecordedAgent:
        """The agent of a name, or of a path that ends in `.md`.

        Args:
            family: the root cause in one program's wording that the test is about.
            accepted: right answers, the best first: a failure case that comes of the test is labelled with them.
            forbidden: answers that would do harm.

        Raises:
            InputError: there is no such agent, or its file is wrong.
        """
        labels = {"family": family, "accepted": tuple(accepted), "forbidden": tuple(forbidden)}
        return RecordedAgent(self._desk, name, self._record, labels)


def open_agents(item: pytest.Item) -> OpenAgent:
    """Opens agents for an item; what they say is recorded in its stash."""
    config = item.config
    if _DESK not in config.stash:
        config.stash[_DESK] = AgentDesk(settings_of(config))
        config.pluginmanager.register(config.stash[_DESK], "evolve-agents")
    return OpenAgent(config.stash[_DESK], item.stash.setdefault(EXCHANGES, []))


class AgentDesk:
    """Agents, their providers and the store of answers, of one pytest run; a thread with an event loop asks."""

    def __init__(self, settings: Settings) -> None:
        self.templates = Templates("strict")
        self._settings = settings
        self._answers = open_answers(settings)
        self._agents: dict[str, tuple[Agent, DemoBank | None]] = {}
        self._providers: dict[str, Provider] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="evolve-agents", daemon=True)
        self._thread.start()

    def agent(self, name: str) -> tuple[Agent, DemoBank | None]:
        """The agent of a name and its demos; read once."""
        if name not in self._agents:
            path = find_agent(name)
            agent = load_agent(path)
            self._agents[name] = agent, load_bank(agent, path, self.templates.render)
        return self._agents[name]

    def answer(self, agent: Agent, request: Request) -> tuple[JsonValue, str]:
        """The output, and the id of the provider that gave it: EVOLVE_PROVIDER's, else the agent's own."""
        name = self._settings.env.get("EVOLVE_PROVIDER") or agent.model
        answer = self._run(self._ask(name, request))
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        return answer.output, name

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        """A fault of the environment is an error of the test, not a failure."""
        report: Any = yield
        if call.excinfo is not None and call.when == "call" and call.excinfo.errisinstance(EnvironmentFault):
            report.when = "setup"
        return report  # type: ignore[no-any-return]

    def pytest_unconfigure(self) -> None:
        """Closes providers and the store, ends the thread."""
        with suppress(TimeoutError):  # a provider that does not close must not keep pytest from ending
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)

    async def _ask(self, name: str, request: Request) -> Answer:
        if name not in self._providers:
            self._providers[name] = opened_provider(name, self._settings, self.templates)
        provider = self._providers[name]
        identity = provider.identity(request) if self._answers.remembers else None
        if identity is None:
            return await provider.answer(request)
        return await self._answers.once(identity, lambda: provider.answer(request))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close(self) -> None:
        for provider in self._providers.values():
            await provider.close()
        await self._answers.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
