"""The settings of the tools, as values that were checked. A tool whose settings are None is not configured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, TypeAlias

from pipecatapp.core.ports import Risk

Network: TypeAlias = IPv4Network | IPv6Network

MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server of the Model Context Protocol, by its command or its URL, and what may be called of it."""

    tools: tuple[str, ...]
    risks: Mapping[str, Risk] = field(default_factory=dict)
    """Of those tools whose risk is declared; of the others the server's word counts."""
    command: tuple[str, ...] = ()
    """Program and arguments, for a server that speaks on its standard streams."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables for the command."""
    url: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """A multimodal endpoint, and the pictures that it may look at."""

    url: str
    """Of the API, up to and with `/v1`."""
    model: str
    sources: Mapping[str, str]
    """Of each camera, screen or picture: an http address, or the path of a file."""
    api_key: str = field(default="", repr=False)
    source_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Bearer tokens of sources."""


@dataclass(frozen=True, slots=True)
class SshHost:
    """A host that commands may run on."""

    address: str
    user: str
    identity_file: Path
    known_hosts_file: Path
    port: int = 22


@dataclass(frozen=True, slots=True)
class SshConfig:
    """The hosts, and the commands that may run there."""

    hosts: Mapping[str, SshHost]
    commands: Mapping[str, tuple[str, ...]]
    """Program and arguments of each command, by its name."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What may be fetched."""

    allow_private: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public."""
    search_url: str = ""
    """Address of a search page, with `{query}` in it."""
    max_bytes: int = 2 * MIB


@dataclass(frozen=True, slots=True)
class CodeConfig:
    """Where code runs."""

    image: str
    docker: str = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class HomeConfig:
    """Home Assistant, and what of it may be used."""

    url: str
    token: str = field(repr=False)
    domains: tuple[str, ...]
    """Whose states may be read and whose services may be called: `light`, `sensor` and so on."""
    ask: tuple[str, ...] = ()
    """Domains and entities that a person is asked about before each call."""
    never_ask: tuple[str, ...] = ()
    """Domains and entities that nobody is asked about; what is in `ask`, too, is."""


@dataclass(frozen=True, slots=True)
class DocumentsConfig:
    """The folders that can be searched."""

    folders: Mapping[str, Path]
    index: Path
    """The SQLite file of the index; it may be deleted at any time."""


@dataclass(frozen=True, slots=True)
class ToolsConfig:
    """The settings of all tools."""

    mcp: Mapping[str, McpServer] = field(default_factory=dict)
    projects: Mapping[str, Path] = field(default_factory=dict)
    """Folders of code, by their names."""
    vision: VisionConfig | None = None
    ssh: SshConfig | None = None
    web: WebConfig = WebConfig()
    code: CodeConfig | None = None
    home: HomeConfig | None = None
    documents: DocumentsConfig | None = None

    def secrets(self) -> tuple[str, ...]:
        """Return every credential, to be masked in what tools say."""
        return tuple(sorted({secret for secret in self._secrets() if secret}))

    def _secrets(self) -> Iterator[str]:
        for server in self.mcp.values():
            yield server.token
            yield from server.env.values()
        if self.vision:
            yield self.vision.api_key
            yield from self.vision.source_tokens.values()
        if self.home:
            yield self.home.token
