"""Asks an agent by its file: reads the file, makes the prompt, asks a provider, and closes it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.evaluation.scratch import drop_scratch
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.answers import Answer, Request
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import AnswerStore, Provider
from evolve.core.model.provider_id import provider_id
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, open_provider_by_id
from evolve.store.agents import find_agent, load_agent, load_bank
from evolve.store.answers import NoAnswers


class OpenProviders:
    """Providers by id, each opened when it is first needed; clients that share this share connections and processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.templates = Templates("strict")
        self._opened: dict[str, Provider] = {}

    def get(self, name: str) -> Provider:
        """Return the provider of an id.

        Raises:
            InputError: there is no such provider.
            EnvironmentFault: it cannot be opened here.
        """
        if name not in self._opened:
            self._opened[name] = open_provider_by_id(name, self.settings, self.templates)
        return self._opened[name]

    async def close(self) -> None:
        """Close all of them."""
        opened, self._opened = self._opened, {}
        for provider in opened.values():
            await provider.close()


class AgentClient:
    """One agent, and who answers for it.

    Args:
        agent: the agent that its file describes.
        file: the agent's file.
        bank: the demos that it shows; None for none.
        providers: opens who answers; closed with the client, unless others share it.
        given: the provider's id on the command line.
        answers: the store of answers that were paid for before.
    """

    def __init__(
        self,
        agent: Agent,
        file: Path,
        bank: DemoBank | None,
        providers: OpenProviders,
        *,
        given: str | None = None,
        answers: AnswerStore | None = None,
    ) -> None:
        self.agent, self.file = agent, file
        self._bank, self._providers, self._given = bank, providers, given
        self._answers = answers or NoAnswers()

    @property
    def provider_id(self) -> str:
        """The id of the provider that answers; raises InputError where none is named."""
        return provider_id(self.agent, self._given, self._providers.settings.env, file=self.file)

    @property
    def provider(self) -> Provider:
        """The provider that answers, opened; raises as `OpenProviders.get` does."""
        return self._providers.get(self.provider_id)

    def prompt(self, vars: Mapping[str, JsonValue]) -> AgentPrompt:
        """Return the prompt that asks the agent about a case."""
        return render_agent(self.agent, vars, self._bank, self._providers.templates.render)

    async def ask(self, prompt: AgentPrompt, vars: Mapping[str, JsonValue] | None = None) -> Answer:
        """Return the answer to a prompt that `prompt` made, without scratch fields; a stored one where there is one.

        Args:
            prompt: the question.
            vars: the vars it was made from, for providers that pass a context to user code.

        Raises:
            EnvironmentFault: the endpoint failed.
            CannotEvaluate: the user's own provider code failed.
        """
        provider = self.provider
        request = Request(prompt.text, vars or {}, prompt.config, label=self.agent.title)
        identity = provider.identity(request) if self._answers.remembers else None
        if identity is None:
            answer = await provider.answer(request)
        else:
            answer = await self._answers.once(identity, lambda: provider.answer(request))
        return replace(answer, output=drop_scratch(answer.output, self.agent.scratch))

    async def close(self) -> None:
        """Close the provider."""
        await self._providers.close()


def read_agent_client(
    name: str, providers: OpenProviders, *, given: str | None = None, answers: AnswerStore | None = None
) -> AgentClient:
    """Return the client of an agent's name or file; its provider is opened when it is first asked.

    Args:
        name: the agent's name, or its file.
        providers: opens who answers.
        given: the provider's id on the command line.
        answers: the store of answers that were paid for before.

    Raises:
        InputError: there is no such agent, or its file or its bank is wrong.
    """
    path = find_agent(name)
    agent = load_agent(path)
    bank = load_bank(agent, path, providers.templates.render)
    return AgentClient(agent, path, bank, providers, given=given, answers=answers)


def open_agent_client(name: str, given: str | None, settings: Settings | None = None) -> AgentClient:
    """Return the client of an agent's name or file, with its provider opened.

    Args:
        name: the agent's name, or its file.
        given: the provider's id on the command line; see `provider_id` for who answers without it.
        settings: the environment; None for this process's own.

    Raises:
        InputError: there is no such agent, or it or the provider is wrong.
        EnvironmentFault: the provider cannot be opened here.
    """
    client = read_agent_client(name, OpenProviders(settings or Settings()), given=given)
    client.provider  # noqa: B018  # opened here: a wrong id is reported before anything is read or asked
    return client
