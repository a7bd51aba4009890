"""The agent's configuration: one YAML file, checked against `config.schema.json`, every problem at once."""

import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from evolve.cluster.address import ClusterAddress
from evolve.core.formats.schema_check import Check, compile_schema
from evolve.core.model.errors import InputError
from pipecatapp.core.approvals import LASTS_S
from pipecatapp.serving.config_files import ConfigReader, read_config
from pipecatapp.serving.exposure import Exposure, Tls, check_exposure, read_tls
from pipecatapp.serving.listening import Listen
from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.config_reading import read_tools, tools_check
from pipecatapp.voice.config import VoiceConfig
from pipecatapp.voice.config_reading import read_voice, voice_check

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8002)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model answers."""

    url: str = ""
    service: str = ""
    """In Consul, instead of a URL."""
    name: str = ""
    api_key: str = field(default="", repr=False)
    provider_id: str = ""
    accuracy: float | None = None
    most_tokens: int = 512
    """Of an answer."""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """Where the memory is, and how much it keeps."""

    file: Path
    keep_days: int = 90
    most_entries: int = 200_000


@dataclass(frozen=True, slots=True)
class TurnTimeouts:
    """How long a turn waits, in seconds; the schema says for what."""

    connect_s: float = 2.0
    idle_s: float = 120.0
    turn_s: float = 600.0
    approval_s: float = LASTS_S


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """A configuration that was checked."""

    model: ModelConfig
    listen: Listen = DEFAULT_LISTEN
    metrics: Listen | None = None
    keys_file: Path | None = None
    hosts: tuple[str, ...] = ()
    tls: Tls | None = None
    has_proxy: bool = False
    agent_file: str = "TWIN_AGENT"
    consul: ClusterAddress | None = None
    nomad: ClusterAddress | None = None
    memory: MemoryConfig | None = None
    log_file: Path | None = None
    tools: ToolsConfig | None = None
    """None for an agent without tools."""
    voice: VoiceConfig | None = None
    """None for an agent that neither listens nor speaks."""
    timeouts: TurnTimeouts = TurnTimeouts()
    most_turns: int = 100
    is_insecure: bool = False

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

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that nothing may show."""
        tokens = [one.token for one in (self.consul, self.nomad) if one is not None]
        tools = self.tools.secrets() if self.tools else ()
        return tuple(one for one in (self.model.api_key, *tokens, *tools) if one)


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def _check() -> Check:
    return compile_schema(config_schema())


def load_config(path: Path, *, insecure: bool = False) -> AgentConfig:
    """Return the configuration of a file, with the secrets of the files that it names.

    Args:
        path: the YAML file; relative paths in it start at its folder.
        insecure: whether it may serve beyond loopback without TLS.

    Raises:
        InputError: every problem of the file, with its place.
    """
    reader = _AgentReader(read_config(path, _check(), {"tools": tools_check(), "voice": voice_check()}), path.parent)
    config = reader.config(insecure=insecure)
    reader.check_model(config)
    check_exposure(reader, config.exposure)
    if reader.problems:
        raise InputError(reader.problems)
    return config


class _AgentReader(ConfigReader):
    def config(self, *, insecure: bool) -> AgentConfig:
        value = self.value
        keys, metrics, log = value.get("keys_file"), value.get("metrics"), value.get("log_file")
        agent = value.get("agent_file", "TWIN_AGENT")
        return AgentConfig(
            model=self._model(),
            listen=self.listen("listen", text=value["listen"]) if "listen" in value else DEFAULT_LISTEN,
            metrics=self.listen("metrics", text=metrics) if metrics else None,
            keys_file=self.existing("keys_file", path=keys) if keys else None,
            hosts=tuple(self._host(*one) for one in enumerate(value.get("hosts", ()))),
            tls=read_tls(self),
            has_proxy=value.get("proxy_in_front", False),
            agent_file=str(self.existing("agent_file", path=agent)) if agent.endswith(".md") else agent,
            consul=self.cluster("consul"),
            nomad=self.cluster("nomad"),
            memory=self._memory(),
            log_file=self.path("log_file", path=log) if log else None,
            tools=read_tools(self, os.environ) if "tools" in value else None,
            voice=read_voice(self, os.environ) if "voice" in value else None,
            timeouts=TurnTimeouts(**value.get("timeouts", {})),
            most_turns=value.get("most_turns", 100),
            is_insecure=insecure,
        )

    def check_model(self, config: AgentConfig) -> None:
        """Note where the model is not said, or said twice."""
        if bool(config.model.url) == bool(config.model.service):
            self.report("expected either url or service", "model", hint="url names an endpoint")
        if config.model.service and config.consul is None:
            self.report("service needs Consul", "model", hint="set consul: {url: ...}")

    def _model(self) -> ModelConfig:
        given = dict(self.value["model"])
        key = self.token("model", "api_key_file", path=given.pop("api_key_file", None))
        url = given.pop("url", "").rstrip("/")
        return ModelConfig(url=url, api_key=key, **given)

    def _host(self, index: int, text: str) -> str:
        """Return a name as requests have it: in small letters, without a port."""
        name = text.strip("[]").lower()
        try:
            is_name = urlsplit(f"//[{name}]" if ":" in name else f"//{name}").hostname == name
        except ValueError:
            is_name = False
        if not is_name:
            self.report(f"expected a name without scheme and port, got {text!r}", "hosts", index)
        return name

    def _memory(self) -> MemoryConfig | None:
        given = self.value.get("memory")
        if given is None:
            return None
        file = self.path("memory", "file", path=given["file"])
        return MemoryConfig(**{**given, "file": file})
