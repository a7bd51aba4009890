"""The parts of one running gateway, put together and taken apart."""

import asyncio
import random
import time
from dataclasses import dataclass

from evolve.cluster.consul.client import ConsulClient
from pipecatapp.core.ports import Agent, ExpertChooser
from pipecatapp.core.routing import Routing
from pipecatapp.gateway import agent as agents
from pipecatapp.gateway.agent import RemoteAgent
from pipecatapp.gateway.choosing import MODEL as MOE
from pipecatapp.gateway.config import Access, GatewayConfig, RouterAddress
from pipecatapp.gateway.experts import Experts
from pipecatapp.gateway.keys import Keys
from pipecatapp.gateway.limits import Limits
from pipecatapp.gateway.mesh import Mesh, tls_for
from pipecatapp.gateway.metrics import Metrics
from pipecatapp.gateway.relay import Relay
from pipecatapp.gateway.router_agent import Endpoint, RouterAgent
from pipecatapp.serving.exposure import exposure_warnings
from pipecatapp.wire.openai import ModelCard


@dataclass(frozen=True, slots=True)
class Health:
    """Whether requests can be answered, and what somebody should look at."""

    reasons: tuple[str, ...]
    """Why not; empty when ready."""
    warnings: tuple[str, ...]


class Gateway:
    """What the routes share. `start` needs the event loop that serves."""

    def __init__(
        self, config: GatewayConfig, *, agent: Agent | None = None, chooser: ExpertChooser | None = None
    ) -> None:
        """Make a gateway that has not started.

        Args:
            config: as it was checked.
            agent: in this process; None for the one that the configuration names.
            chooser: for the model `moe`; None for the one that the configuration names, else always the fallback.

        Raises:
            InputError: the file of keys is wrong.
        """
        self.config = config
        self.keys = Keys(config.keys_file)
        self.limits = Limits()
        self.metrics = Metrics()
        self.routing = Routing()
        self.chooser = chooser
        self.agent = agent
        self.started_at = int(time.time())
        self._consul = ConsulClient(config.consul) if config.consul else None
        self.mesh = Mesh(self._consul, config.mesh_service) if self._consul and config.mesh_service else None
        self._remote: RemoteAgent | None = None
        self._router: RouterAgent | None = None
        self.experts = Experts(
            config.experts,
            self._consul,
            api_key=config.expert_api_key,
            is_mesh=self.mesh is not None,
            on_change=lambda id, found: self._note_change(id, len(found)),
        )
        self.relay: Relay

    async def start(self) -> None:
        """Begin to follow the experts, and open the pools of connections."""
        self.relay = Relay(self.config, self.experts, self.routing, self.metrics, self.mesh)
        if self.agent is None and self.config.agent is not None:
            self.agent = self._remote = RemoteAgent(self.config.agent, self.config.timeouts)
        if self.chooser is None and (router := self.config.router) is not None:
            self.chooser = self._router = RouterAgent(router.agent, lambda: self._router_endpoint(router))
        if self.mesh is not None:
            await self.mesh.start()
        await self.experts.start()

    def _router_endpoint(self, router: RouterAddress) -> Endpoint | None:
        if router.url:
            return Endpoint(router.url, router.model, router.api_key)
        found = self.routing.choose(self.experts.instances(router.expert), dice=random, now=time.monotonic())
        if found is None:
            return None
        tls = tls_for(found, self.mesh)
        if tls is None:
            return None
        return Endpoint(found.url, found.served_model or router.expert, router.api_key or found.api_key, tls)

    async def stop(self) -> None:
        """Close everything."""
        await self.experts.stop()
        if self.mesh is not None:
            await self.mesh.stop()
        closing = [self.relay.close()]
        if self._remote is not None:
            closing.append(self._remote.close())
        if self._router is not None:
            closing.append(self._router.close())
        if self._consul is not None:
            closing.append(self._consul.close())
        await asyncio.gather(*closing)

    def _note_change(self, id: str, passing: int) -> None:
        self.metrics.show_expert(id, passing, len(self.experts.activators(id)))
        self.metrics.show_ready(sum(bool(self.experts.instances(one)) for one in self.experts.ids()))
        self.routing.forget_all_but(self.experts.all_instance_ids())

    def models(self, access: Access) -> list[ModelCard]:
        """Return the models that a key may ask, by their ids."""
        cards = [self._expert_card(id) for id in self.experts.ids()]
        if self.agent is not None:
            cards.append(self._card(agents.MODEL, ready=True, served=""))
        if self.config.moe_fallback:
            served = self._served(self.config.moe_fallback)
            cards.append(self._card(MOE, ready=self.experts.is_awake(self.config.moe_fallback), served=served))
        return [card for card in cards if access.allows(card.id)]

    def _expert_card(self, id: str) -> ModelCard:
        return self._card(id, ready=self.experts.is_awake(id), served=self._served(id))

    def _card(self, id: str, *, ready: bool, served: str) -> ModelCard:
        return ModelCard(id=id, created=self.started_at, owned_by="anneal", ready=ready, served_model=served or None)

    def _served(self, id: str) -> str:
        names = dict.fromkeys(one.served_model for one in self.experts.behind(id) if one.served_model)
        return ", ".join(names)

    def health(self) -> Health:
        """Return whether one expert passes, and what is wrong besides."""
        reasons = []
        if not any(self.experts.instances(id) for id in self.experts.ids()):
            known = ", ".join(self.experts.ids()) or "none is known"
            reasons.append(f"no expert has a passing instance: {known}")
        warnings = []
        if self.experts.problem:
            warnings.append(f"Consul does not answer, the list of experts may be old: {self.experts.problem}")
        if self.mesh is not None and self.mesh.problem:
            warnings.append(f"Consul gives no certificate of the mesh: {self.mesh.problem}")
        if self.experts.passed_over:
            names = ", ".join(self.experts.passed_over)
            warnings.append(f"outside of the mesh, and not asked to wake experts: {names}")
        if self.keys.problem:
            warnings.append(f"the file of keys was not taken over: {self.keys.problem}")
        return Health(tuple(reasons), (*warnings, *exposure_warnings(self.config.exposure)))
