"""Agents for Python tests: the fixture `agent` asks them and records each exchange; answers come from the store."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pytest

from evolve.core.cases.labels import label_problems
from evolve.core.formats.json_text import json_or
from evolve.core.model.agents import Agent
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_client import AgentClient, OpenProviders, read_agent_client
from evolve.evaluation.setup import Settings, open_answers
from evolve.pytest_plugin.suites.session import settings_of

T = TypeVar("T")

_STOP_S: Final = 10.0
"""How long closing may take at the end; a provider that hangs must not keep pytest from ending."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to an agent and its answer; the output is None when there was none."""

    agent: Agent
    agent_name: str
    """As the test wrote it: a name, or a file's path."""
    vars: Mapping[str, JsonValue]
    prompt: str
    settings: Mapping[str, JsonValue]
    provider: str
    output: JsonValue
    family: str = ""
    accepted: tuple[JsonValue, ...] = ()
    forbidden: tuple[JsonValue, ...] = ()


EXCHANGES: pytest.StashKey[list[Exchange]] = pytest.StashKey()
"""The exchanges of an item, in order."""
_CLIENTS: "pytest.StashKey[AgentClients]" = pytest.StashKey()


class RecordedAgent:
    """An agent that a test asks."""

    def __init__(self, clients: "AgentClients", name: str, record: list[Exchange], labels: Mapping[str, Any]) -> None:
        self._clients, self._name, self._record, self._labels = clients, name, record, labels
        self._client = clients.client(name)
        self.agent = self._client.agent

    def ask(self, **vars: JsonValue) -> Any:
        """Return the agent's answer to these vars: the value if it is JSON, else its text.

        Raises:
            EnvironmentFault: the endpoint failed; the test becomes an error, not a failure.
            CannotEvaluate: the user's own provider code failed, or a var is missing.
            InputError: no provider is named, or its id is unknown.
        """
        prompt = self._client.prompt(vars)
        answer = self._clients.run(self._client.ask(prompt, vars))
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        output, provider = answer.output, self._client.provider_id
        self._record.append(
            Exchange(self.agent, self._name, vars, prompt.text, prompt.config, provider, output, **self._labels)
        )
        return json_or(output, output) if isinstance(output, str) else output


class OpenAgent:
    """The fixture's value: opens agents for one test."""

    def __init__(self, clients: "AgentClients", record: list[Exchange]) -> None:
        self._clients, self._record = clients, record

    def __call__(
        self,
        name: str,
        *,
        family: str = "",
        accepted: Sequence[JsonValue] = (),
        forbidden: Sequence[JsonValue] = (),
    ) -> RecordedAgent:
        """Return the agent of a name, or of a path that ends in `.md`.

        Args:
            family: the root cause in one program's wording that the test is about.
            name: the agent's name, or the path of its file.
            accepted: correct answers, the best first; they become the labels of the test's failure case.
            forbidden: harmful answers.

        Raises:
            InputError: there is no such agent, its file is wrong, or it can never give one of these answers.
        """
        labels = {"family": family, "accepted": tuple(accepted), "forbidden": tuple(forbidden)}
        opened = RecordedAgent(self._clients, name, self._record, labels)
        problems = label_problems(opened.agent.output, accepted, forbidden)
        if problems:
            raise InputError([Problem(f"{opened.agent.name}: {message}") for message in problems])
        return opened


def open_agents(item: pytest.Item) -> OpenAgent:
    """Return the fixture's value for an item; its exchanges are recorded in the item's stash."""
    config = item.config
    if _CLIENTS not in config.stash:
        config.stash[_CLIENTS] = AgentClients(settings_of(config))
        config.pluginmanager.register(config.stash[_CLIENTS], "evolve-agents")
    return OpenAgent(config.stash[_CLIENTS], item.stash.setdefault(EXCHANGES, []))


class AgentClients:
    """The clients of one pytest run, by the names that tests use; they run in a thread with an event loop."""

    def __init__(self, settings: Settings) -> None:
        self._answers = open_answers(settings)
        self._providers = OpenProviders(settings)
        self._clients: dict[str, AgentClient] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="evolve-agents", daemon=True)
        self._thread.start()

    def client(self, name: str) -> AgentClient:
        """Return the client for an agent's name or file; each is read once."""
        if name not in self._clients:
            self._clients[name] = read_agent_client(name, self._providers, answers=self._answers)
        return self._clients[name]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Report a fault of the environment or of an agent's file as an error of the test, not as a failure."""
        report: Any = yield
        if call.excinfo is not None and call.when == "call":
            if call.excinfo.errisinstance((EnvironmentFault, InputError)):
                report.when = "setup"
            if call.excinfo.errisinstance(InputError):
                report.longrepr = str(call.excinfo.value)  # a traceback through our code would not show the file
        return report  # type: ignore[no-any-return]

    def pytest_unconfigure(self) -> None:
        """Close the providers and the store, and end the thread."""
        with suppress(TimeoutError):  # see _STOP_S
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)

    async def _close(self) -> None:
        await self._providers.close()
        await self._answers.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
