"""The power agent's configuration: one YAML file, checked against `config.schema.json`, every problem at once."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from evolve.cluster.address import ClusterAddress
from evolve.core.formats.schema_check import Check, compile_schema
from evolve.core.model.errors import InputError
from pipecatapp.power.state import PowerRules
from pipecatapp.serving.config_files import ConfigReader, read_config
from pipecatapp.serving.listening import Listen

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
NODES_FILE: Final = "/etc/power-manager/nodes.json"
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
DEFAULT_RULES: Final = PowerRules(quiet_s=900.0)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAC: Final = re.compile("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class NomadWake:
    """A job whose count is 0 while it sleeps."""

    job: str
    group: str = ""
    """Empty: the job has only one."""
    count: int = 1


class LanWake(NamedTuple):
    """A node that is woken by a magic packet."""

    mac: str
    broadcast: str = "255.255.255.255"
    port: int = 9


@dataclass(frozen=True, slots=True)
class PowerService:
    """One service that sleeps."""

    name: str
    listen: Listen
    nomad: NomadWake | None = None
    lan: LanWake | None = None
    address: str = ""
    is_http: bool = False
    allow: tuple[Network, ...] = tuple(ipaddress.ip_network(one) for one in LOOPBACK)
    timeout_s: float = 120.0
    rules: PowerRules = DEFAULT_RULES

    def may_wake(self, host: str) -> bool:
        """Return whether a client may wake it."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.allow)


@dataclass(frozen=True, slots=True)
class PowerConfig:
    """A configuration that was checked."""

    consul: ClusterAddress
    services: tuple[PowerService, ...]
    nomad: ClusterAddress | None = None
    metrics: Listen | None = None


@cache
def power_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def _check() -> Check:
    return compile_schema(power_schema())


def load_power_config(path: Path) -> PowerConfig:
    """Return the configuration of a file, with the secrets and addresses of the files that it names.

    Raises:
        InputError: every problem of the file, with its place.
    """
    reader = _PowerReader(read_config(path, _check()), path.parent)
    config = reader.config()
    if reader.problems:
        raise InputError(reader.problems)
    return config


class _PowerReader(ConfigReader):
    """Makes the configuration of a document that fits the schema."""

    def config(self) -> PowerConfig:
        metrics = self.value.get("metrics")
        nomad, consul = self.cluster("nomad"), self.cluster("consul")
        config = PowerConfig(
            consul=consul or ClusterAddress(""),  # the schema requires it
            services=tuple(self._service(name, given) for name, given in self.value["services"].items()),
            nomad=nomad,
            metrics=self.listen("metrics", text=metrics) if metrics else None,
        )
        self._check_ports(config)
        return config

    def _check_ports(self, config: PowerConfig) -> None:
        seen: list[tuple[Listen, str]] = [(config.metrics, "metrics")] if config.metrics else []
        for one in config.services:
            for listen, name in seen:
                if one.listen.overlaps(listen):
                    self.report(f"port {listen.port} is taken by {name}", "services", one.name, "listen")
            seen.append((one.listen, one.name))

    def _service(self, name: str, given: Mapping[str, Any]) -> PowerService:
        place = ("services", name)
        wake = given["wake"]
        nomad = NomadWake(**wake["nomad"]) if "nomad" in wake else None
        if nomad and self.value.get("nomad") is None:
            self.report("there is no Nomad", *place, "wake", "nomad", hint="set nomad: {url: ...} next to services")
        if given.get("idle_s") and not nomad:
            self.report(
                "only a job of Nomad can be put to sleep", *place, "idle_s",
                hint="remove idle_s: a node goes to sleep by its own rules",
            )  # fmt: skip
        rules = {key: given[key] for key in ("idle_s", "retry_s", "max_waiting") if key in given}
        return PowerService(
            name=name,
            listen=self.listen(*place, "listen", text=given["listen"]),
            nomad=nomad,
            lan=self._lan(wake["lan"], *place, "wake", "lan") if "lan" in wake else None,
            address=given.get("address", ""),
            is_http=given.get("protocol") == "http",
            allow=self._networks(given.get("allow", LOOPBACK), *place, "allow"),
            timeout_s=given.get("timeout_s", 120.0),
            rules=PowerRules(**rules, quiet_s=given.get("quiet_s", DEFAULT_RULES.quiet_s)),
        )

    def _networks(self, texts: Any, *place: str | int) -> tuple[Network, ...]:
        found = []
        for index, text in enumerate(texts):
            try:
                found.append(ipaddress.ip_network(text))
            except ValueError as exc:
                self.report(str(exc), *place, index, hint="write a network as 10.0.0.0/8")
        return tuple(found)

    def _lan(self, given: Mapping[str, Any], *place: str | int) -> LanWake:
        if "mac" in given:
            return LanWake(**given)
        nodes = self._nodes
        if nodes is None:
            return LanWake("")
        node = nodes.get(given["node"])
        known = node if isinstance(node, dict) else {}
        mac = known.get("mac")
        if not isinstance(mac, str) or not _MAC.fullmatch(mac):
            names = ", ".join(sorted(nodes)) or "none"
            self.report(f"no MAC address of {given['node']} is known; known are {names}", *place, "node")
            return LanWake("")
        broadcast = given.get("broadcast") or known.get("broadcast") or LanWake._field_defaults["broadcast"]
        return LanWake(mac, str(broadcast), given.get("port", 9))

    @cached_property
    def _nodes(self) -> dict[str, Any] | None:
        """The nodes of the file; None where that is a problem, which is reported once."""
        file = self.existing("nodes_file", path=self.value.get("nodes_file", NODES_FILE))
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except OSError:
            return None  # reported by `existing`
        except ValueError as exc:
            self.report(f"{file} is no JSON: {exc}", "nodes_file")
            return None
        if not isinstance(found, dict):
            self.report(f"{file} is no mapping of names to nodes", "nodes_file")
            return None
        return found
