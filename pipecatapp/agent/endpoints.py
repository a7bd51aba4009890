"""Where the model is: a fixed address, or the instances of a service in Consul that pass their checks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evolve.cluster.consul.client import ConsulClient
from pipecatapp.agent.config import ModelConfig
from pipecatapp.gateway.experts import Experts


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that answers for the model."""

    url: str
    """`http://HOST:PORT`."""
    model: str
    """The model's name in requests; empty for the one that the endpoint has."""
    api_key: str = field(default="", repr=False)


class Endpoints(Protocol):
    """Says who can be asked now."""

    def now(self) -> Sequence[Endpoint]:
        """Return the endpoints in the order in which they are tried; none where none passes."""
        ...

    @property
    def name(self) -> str:
        """The model's name for people."""
        ...

    async def start(self) -> None:
        """Begin to look."""
        ...

    async def close(self) -> None:
        """End looking."""
        ...


class FixedEndpoint:
    """One address of the configuration."""

    def __init__(self, model: ModelConfig) -> None:
        self._endpoint = Endpoint(model.url, model.name, model.api_key)

    def now(self) -> Sequence[Endpoint]:
        """Return the address."""
        return (self._endpoint,)

    @property
    def name(self) -> str:
        """The name of the configuration, else the address."""
        return self._endpoint.model or self._endpoint.url

    async def start(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class ConsulEndpoints:
    """The instances of a service in Consul. What Consul said last stays valid while it does not answer."""

    def __init__(self, model: ModelConfig, consul: ConsulClient) -> None:
        self._model = model
        self._experts = Experts({}, consul, api_key=model.api_key)

    def now(self) -> Sequence[Endpoint]:
        """Return the passing instances in random order."""
        found = list(self._experts.instances(self._model.service))
        random.shuffle(found)
        return [Endpoint(one.url, self._model.name, one.api_key) for one in found]

    @property
    def name(self) -> str:
        """The name of the model that the instances serve, else the service's."""
        served = (one.served_model for one in self._experts.instances(self._model.service))
        return self._model.name or next((name for name in served if name), self._model.service)

    async def start(self) -> None:
        """Begin to follow Consul."""
        await self._experts.start()

    async def close(self) -> None:
        """End following."""
        await self._experts.stop()
