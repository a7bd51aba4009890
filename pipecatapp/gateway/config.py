"""The gateway's configuration: one YAML file, checked against `config.schema.json`, every problem at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evolve.cluster.address import ClusterAddress
from evolve.core.formats.schema_check import Check, compile_schema
from evolve.core.model.errors import InputError
from pipecatapp.core.routing import Instance
from pipecatapp.gateway.choosing import ROUTER
from pipecatapp.serving.config_files import ConfigReader, read_config
from pipecatapp.serving.exposure import Exposure, Tls, check_exposure, read_tls
from pipecatapp.serving.listening import Listen

if TYPE_CHECKING:
    from pipecatapp.serving.agent_file import AgentFile

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
BODY_LIMIT: Final = 20 * 2**20
"""Bytes of a request's body: some images fit, and 100 such requests fit into the memory of a small node."""
ANONYMOUS: Final = "anonymous"
"""The name of every client of a gateway without keys."""


DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8001)


@dataclass(frozen=True, slots=True)
class Access:
    """What one key may do."""

    models: tuple[str, ...] = ("*",)
    requests_per_minute: int = 600
    concurrent: int = 32

    def allows(self, model: str) -> bool:
        """Return whether the key may ask a model."""
        return "*" in self.models or model in self.models


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the gateway waits, in seconds; the schema says for what."""

    connect_s: float = 2.0
    idle_s: float = 300.0
    total_s: float = 900.0
    wake_s: float = 10.0
    comment_s: float = 10.0
    choice_s: float = 0.3


@dataclass(frozen=True, slots=True)
class AgentAddress:
    """Where the agent is."""

    url: str
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RouterAddress:
    """Who is asked for the model `moe`: an expert, or an endpoint."""

    agent: "AgentFile"
    expert: str = ""
    url: str = ""
    model: str = ""
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """A configuration that was checked."""

    listen: Listen = DEFAULT_LISTEN
    metrics: Listen | None = None
    keys_file: Path | None = None
    access: Mapping[str, Access] = field(default_factory=dict)
    consul: ClusterAddress | None = None
    mesh_service: str = ""
    """The gateway's name in Consul's mesh; empty for no mesh."""
    experts: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    expert_api_key: str = field(default="", repr=False)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moe_fallback: str = ""
    router: RouterAddress | None = None
    agent: AgentAddress | None = None
    tls: Tls | None = None
    has_proxy: bool = False
    timeouts: Timeouts = Timeouts()
    is_insecure: bool = False
    """Whether it serves beyond loopback without TLS, because somebody said so."""

    @property
    def exposure(self) -> Exposure:
        """Who can reach it, and what protects it."""
        return Exposure(
            self.listen,
            has_keys=self.keys_file is not None,
            has_tls=self.tls is not None,
            has_proxy=self.has_proxy,
            is_insecure=self.is_insecure,
        )

    def access_of(self, name: str) -> Access:
        """Return what a key may do."""
        return self.access.get(name) or self.access.get("default") or Access()


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def _check() -> Check:
    return compile_schema(config_schema())


def load_config(path: Path, *, insecure: bool = False) -> GatewayConfig:
    """Return the configuration of a file, with the secrets of the files that it names.

    Args:
        path: the YAML file; relative paths in it start at its folder.
        insecure: whether it may serve beyond loopback without TLS.

    Raises:
        InputError: every problem of the file, with its place.
    """
    reader = _Reader(read_config(path, _check()), path.parent)
    config = reader.config(insecure=insecure)
    if config.consul is None and not config.experts and config.agent is None:
        reader.report("no experts", hint="set consul, experts or agent")
    check_exposure(reader, config.exposure)
    if reader.problems:
        raise InputError(reader.problems)
    return config


class _Reader(ConfigReader):
    """Makes the configuration of a document that fits the schema."""

    def config(self, *, insecure: bool) -> GatewayConfig:
        value = self.value
        metrics, keys = value.get("metrics"), value.get("keys_file")
        return GatewayConfig(
            listen=self.listen("listen", text=value["listen"]) if "listen" in value else DEFAULT_LISTEN,
            metrics=self.listen("metrics", text=metrics) if metrics else None,
            keys_file=self.existing("keys_file", path=keys) if keys else None,
            access={name: _access(one) for name, one in value.get("access", {}).items()},
            consul=self.cluster("consul"),
            mesh_service=value.get("consul", {}).get("mesh_service", ""),
            experts={id: self._instances(id, found) for id, found in value.get("experts", {}).items()},
            expert_api_key=self.token("expert_api_key_file", path=value.get("expert_api_key_file")),
            fallbacks={id: tuple(others) for id, others in value.get("fallbacks", {}).items()},
            moe_fallback=value.get("moe", {}).get("fallback", ""),
            router=self._router(),
            agent=self._agent(),
            tls=read_tls(self),
            has_proxy=value.get("proxy_in_front", False),
            timeouts=Timeouts(**value.get("timeouts", {})),
            is_insecure=insecure,
        )

    def _instances(self, id: str, found: list[dict[str, str]]) -> tuple[Instance, ...]:
        return tuple(
            Instance(
                id=f"{id}/{index}",
                url=one["url"].rstrip("/"),
                served_model=one.get("model", ""),
                api_key=self.token("experts", id, index, "api_key_file", path=one.get("api_key_file")),
            )
            for index, one in enumerate(found)
        )

    def _router(self) -> RouterAddress | None:
        given = self.value.get("moe", {}).get("router")
        if given is None:
            return None
        here = ("moe", "router")
        if ("expert" in given) == ("url" in given):
            self.report("expected one of expert and url", *here, hint="they say who is asked")
        if "url" in given and "model" not in given:
            self.report("model is missing: the one of url", *here)
        key = self.token(*here, "api_key_file", path=given.get("api_key_file"))
        agent = self._router_agent(given.get("agent"))
        if agent is None:
            return None
        url = given.get("url", "").rstrip("/")
        return RouterAddress(agent, given.get("expert", ""), url, given.get("model", ""), key)

    def _router_agent(self, path: str | None) -> "AgentFile | None":
        # Only here: reading agents takes a gateway without a router longer to start.
        from pipecatapp.serving.agent_file import AgentFile

        try:
            return AgentFile(ROUTER if path is None else self.path("moe", "router", "agent", path=path))
        except InputError as error:
            self.problems += error.problems
            return None

    def _agent(self) -> AgentAddress | None:
        given = self.value.get("agent")
        if given is None:
            return None
        key = self.token("agent", "api_key_file", path=given.get("api_key_file"))
        return AgentAddress(given["url"].rstrip("/"), key)


def _access(given: Mapping[str, Any]) -> Access:
    fields = {**given, "models": tuple(given["models"])} if "models" in given else dict(given)
    return Access(**fields)
