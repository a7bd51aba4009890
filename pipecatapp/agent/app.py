"""The parts of one running agent, put together and taken apart."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.nomad.client import NomadClient
from evolve.core.cases.redaction import Redactor, environment_secrets
from evolve.core.model.errors import StoreFault
from evolve.core.model.json_value import JsonValue
from pipecatapp.agent.choice import ChoiceAgent
from pipecatapp.agent.config import AgentConfig
from pipecatapp.agent.endpoints import ConsulEndpoints, Endpoints, FixedEndpoint
from pipecatapp.agent.llm import LanguageModel
from pipecatapp.agent.logins import Logins
from pipecatapp.agent.memory import Memory
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.model_calls import ModelCalls
from pipecatapp.agent.page_log import PageLog
from pipecatapp.agent.service import TwinService
from pipecatapp.agent.sessions import Session
from pipecatapp.agent.status import Source, StatusBoard, consul_source, nomad_source
from pipecatapp.agent.status_rows import own_rows
from pipecatapp.agent.turns import LOG, TurnParts
from pipecatapp.agent.voice import VoicePart
from pipecatapp.core.ports import Risk, Toolbox, ToolCall, ToolReason, ToolResult, ToolSpec
from pipecatapp.gateway.keys import Keys
from pipecatapp.serving.exposure import exposure_warnings
from pipecatapp.wire.agent_events import Hello, StatusRow, StatusRows, ToolCard

_PRUNE_EVERY_S: Final = 3600.0
_SHOW_EVERY_S: Final = 5.0
"""How often open pages get the table of components, where it has changed."""
_DAY_S: Final = 24 * 3600.0


class NoTools:
    """`Toolbox` of an agent that answers by itself."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return none."""
        return ()

    async def risk(self, tool: str, arguments: Mapping[str, JsonValue]) -> Risk:  # noqa: ARG002
        """Return that nothing happens."""
        return Risk.READ

    async def run(self, call: ToolCall, session_id: str) -> ToolResult:
        """Return that there is no such tool."""
        return ToolResult(f"there is no tool {call.tool} for {session_id}", True, ToolReason.UNKNOWN_TOOL)


class AgentApp:
    """What the routes share. `start` needs the event loop that serves."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        toolbox: Toolbox | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Make an agent that has not started.

        Args:
            config: as it was checked.
            toolbox: None for no tools.
            clock: seconds that never go back.
            wall: seconds since 1970.

        Raises:
            InputError: the file of keys or the agent's file is wrong.
        """
        self.config, self.clock, self._wall = config, clock, wall
        self.toolbox: Toolbox = toolbox or NoTools()
        self.keys = Keys(config.keys_file)
        self.choice = ChoiceAgent(config.agent_file)
        self.metrics = AgentMetrics()
        self.voice = VoicePart(config.voice, self.metrics)
        self._consul = ConsulClient(config.consul) if config.consul else None
        self._nomad = NomadClient(config.nomad) if config.nomad else None
        self.endpoints = self._endpoints()
        self._background: list[asyncio.Task[None]] = []
        self.started_at = wall()
        self.memory: Memory | None = None
        self.calls: ModelCalls
        self.service: TwinService
        self.logins: Logins
        self.board: StatusBoard
        self._page_log: PageLog

    def _endpoints(self) -> Endpoints:
        if self.config.model.service and self._consul is not None:
            return ConsulEndpoints(self.config.model, self._consul)
        return FixedEndpoint(self.config.model)

    async def start(self) -> None:
        """Open the memory and the connections, and begin to follow the cluster.

        Raises:
            StoreFault: the memory's file cannot be used.
        """
        redactor = self._redactor()
        self.memory = Memory(self.config.memory.file, redactor) if self.config.memory else None
        self.logins = Logins(self.keys, self.memory, self._wall)
        await self.logins.load()
        self.calls = ModelCalls(self.endpoints, self.config.timeouts, self.metrics.count_tokens)
        model = LanguageModel(self.calls, self.choice, self.config.model.most_tokens)
        parts = TurnParts(model, self.toolbox, self.metrics, self.config.timeouts.turn_s)
        self.service = TwinService(
            parts,
            self.memory,
            most_turns=self.config.most_turns,
            approval_s=self.config.timeouts.approval_s,
            clock=self.clock,
            wall=self._wall,
        )
        self.board = self._board()
        # Personal data and ids stay, as in the memory: a page shows them anyway.
        self._page_log = PageLog(self.service.sessions, redactor, self.clock)
        LOG.addHandler(self._page_log)
        await self.endpoints.start()
        self._background = [asyncio.create_task(work) for work in (self._show_rows(), self._prune(), self.voice.load())]

    async def stop(self) -> None:
        """End the turns, and close everything."""
        LOG.removeHandler(self._page_log)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.service.close()
        await self.voice.close()
        await self.endpoints.close()
        await self.calls.close()
        for client in (self._consul, self._nomad):
            if client is not None:
                await client.close()
        if self.memory is not None:
            await self.memory.close()

    async def rows(self) -> tuple[StatusRow, ...]:
        """Return the table of components."""
        return await self.board.rows()

    def hello(self, session: Session) -> Hello:
        """Return the first message for a page."""
        tools = tuple(ToolCard(one.name, one.description, one.risk) for one in self.toolbox.specs())
        model, history = self.endpoints.name, tuple(session.history)
        advice = self.config.model.advice
        return Hello(
            session.id,
            self.choice.title,
            model,
            self.accuracy,
            advice,
            not self.voice.problem,
            self.voice.problem,
            tools,
            history,
        )

    @property
    def accuracy(self) -> float | None:
        """The share of right choices of tools, where this model was measured."""
        model = self.config.model
        return self.choice.accuracy(model.provider_id) if model.accuracy is None else model.accuracy

    def model_line(self) -> str:
        """Return which model answers and how well it chooses, for a person."""
        measured = "not measured" if self.accuracy is None else f"{self.accuracy:.0%} of choices of tools right"
        return f"{self.endpoints.name}, {self.choice.title}: {measured}"

    def warnings(self) -> list[str]:
        """Return what somebody should look at; requests are answered."""
        found = []
        if self.keys.problem:
            found.append(f"the file of keys was not taken over: {self.keys.problem}")
        return [*found, *exposure_warnings(self.config.exposure)]

    def _redactor(self) -> Redactor:
        # Addresses and numbers of people stay: a person who gives the agent a phone number wants to be reminded of it.
        secrets = (*environment_secrets(os.environ), *self.config.secrets)
        return Redactor(secrets, keeps_personal_data=True, key=os.urandom(32))

    def _board(self) -> StatusBoard:
        async def own() -> list[StatusRow]:
            found = len(self.endpoints.now())
            rows = own_rows(self.started_at, self.endpoints.name, found, self.warnings(), self.calls.problem)
            return [*rows, *self.voice.rows()]

        sources: dict[str, Source] = {"agent": own}
        if self._consul is not None and self.config.consul is not None:
            sources["consul"] = consul_source(self._consul, self.config.consul.url)
        if self._nomad is not None and self.config.nomad is not None:
            sources["nomad"] = nomad_source(self._nomad, self.config.nomad.url)
        return StatusBoard(sources, self.clock, self._wall)

    async def _show_rows(self) -> None:
        shown: StatusRows | None = None
        while True:
            watched = [one for one in self.service.sessions() if one.page_count]
            if watched:
                found = StatusRows(await self.board.rows())
                for session in watched if found != shown else ():
                    session.publish(found, self.clock())
                shown = found
            await asyncio.sleep(_SHOW_EVERY_S)

    async def _prune(self) -> None:
        kept = self.config.memory
        while self.memory is not None and kept is not None:
            try:
                await self.memory.prune(self._wall() - kept.keep_days * _DAY_S, kept.most_entries)
            except StoreFault as fault:
                LOG.error("%s", fault)
            await asyncio.sleep(_PRUNE_EVERY_S)
