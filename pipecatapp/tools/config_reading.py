"""Reads the part `tools` of a configuration: every problem at once, each with its place."""

import ipaddress
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from evolve.core.formats.schema_check import Check, compile_schema
from evolve.system.cache_folder import cache_folder
from pipecatapp.core.ports import Risk
from pipecatapp.serving.config_files import ConfigReader
from pipecatapp.tools.config import (
    MIB,
    CodeConfig,
    DocumentsConfig,
    HomeConfig,
    McpServer,
    Network,
    SshConfig,
    SshHost,
    ToolsConfig,
    VisionConfig,
    WebConfig,
)
from pipecatapp.tools.ha_risks import ALWAYS_ASK, domain_of

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
_KEY: Final = "tools"
_Part = dict[str, Any]


@cache
def tools_schema() -> dict[str, Any]:
    """Return the JSON Schema of the part `tools`."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def tools_check() -> Check:
    """Return what checks that part."""
    return compile_schema(tools_schema())


def read_tools(whole: ConfigReader, env: Mapping[str, str]) -> ToolsConfig:
    """Return the settings of the tools, with the secrets of the files that they name.

    Args:
        whole: the reader of the configuration, which collects every problem of its part `tools`.
            Without that part no tool is configured.
        env: the process's variables, which say where the cache folder is.
    """
    reader = _ToolsReader(whole.document, whole.folder)
    value: Any = reader.value.get(_KEY) or {}
    reader.check(tools_check(), value, _KEY)
    config = ToolsConfig() if reader.problems else reader.config(value, env)
    whole.problems += reader.problems
    return config


class _ToolsReader(ConfigReader):
    """Makes values of the part, and collects what its schema cannot say."""

    def config(self, value: _Part, env: Mapping[str, str]) -> ToolsConfig:
        return ToolsConfig(
            mcp={name: self._server(name, part) for name, part in value.get("mcp", {}).items()},
            projects=self._folders(_KEY, "project_mapper", part=value.get("project_mapper", {})),
            vision=self._vision(value["vision"]) if "vision" in value else None,
            ssh=self._ssh(value["ssh"]) if "ssh" in value else None,
            web=self._web(value.get("web_browser", {})),
            code=CodeConfig(**value["code_runner"]) if "code_runner" in value else None,
            home=self._home(value["ha"]) if "ha" in value else None,
            documents=self._documents(value["rag"], env) if "rag" in value else None,
        )

    def _server(self, name: str, part: _Part) -> McpServer:
        place = (_KEY, "mcp", name)
        self._need_one_of(place, part, ("command", "url"))
        for key, other in (("env_files", "command"), ("token_file", "url")):
            if key in part and other not in part:
                self.report(f"{key} has no effect without {other}", *place, key)
        return McpServer(
            tools=tuple(part["tools"]),
            risks=_risks_of(part["tools"]),
            command=tuple(part.get("command", ())),
            env={
                variable: self.secret(*place, "env_files", variable, path=path)
                for variable, path in part.get("env_files", {}).items()
            },
            url=part.get("url", ""),
            token=self.token(*place, "token_file", path=part.get("token_file")),
        )

    def _vision(self, part: _Part) -> VisionConfig:
        sources, tokens = {}, {}
        for name, source in part["sources"].items():
            place = (_KEY, "vision", "sources", name)
            self._need_one_of(place, source, ("url", "file"))
            if "token_file" in source:
                tokens[name] = self.token(*place, "token_file", path=source["token_file"])
            sources[name] = source.get("url") or str(self.path(*place, "file", path=source.get("file", "")))
        key = self.token(_KEY, "vision", "api_key_file", path=part.get("api_key_file"))
        return VisionConfig(part["url"].rstrip("/"), part["model"], sources, key, tokens)

    def _ssh(self, part: _Part) -> SshConfig:
        hosts = {
            name: SshHost(
                address=host["address"],
                user=host["user"],
                identity_file=self.existing(_KEY, "ssh", "hosts", name, "identity_file", path=host["identity_file"]),
                known_hosts_file=self.existing(
                    _KEY, "ssh", "hosts", name, "known_hosts_file", path=host["known_hosts_file"]
                ),
                port=host.get("port", 22),
            )
            for name, host in part["hosts"].items()
        }
        return SshConfig(hosts, {name: tuple(argv) for name, argv in part["commands"].items()})

    def _web(self, part: _Part) -> WebConfig:
        networks = [self._network(text, index) for index, text in enumerate(part.get("allow_private", ()))]
        return WebConfig(
            tuple(network for network in networks if network is not None),
            part.get("search_url", ""),
            part.get("max_bytes", 2 * MIB),
        )

    def _network(self, text: str, index: int) -> Network | None:
        try:
            return ipaddress.ip_network(text)
        except ValueError as exc:
            self.report(f"no network: {exc}", _KEY, "web_browser", "allow_private", index, hint="such as 10.0.0.0/24")
            return None

    def _home(self, part: _Part) -> HomeConfig:
        token = self.token(_KEY, "ha", "token_file", path=part["token_file"])
        never = tuple(part.get("never_ask", ()))
        for index, name in enumerate(never):
            if domain_of(name) in ALWAYS_ASK:
                hint = "locks and alarms always ask a person"
                self.report(f"{name} cannot be in never_ask", _KEY, "ha", "never_ask", index, hint=hint)
        return HomeConfig(part["url"].rstrip("/"), token, tuple(part["domains"]), tuple(part.get("ask", ())), never)

    def _documents(self, part: _Part, env: Mapping[str, str]) -> DocumentsConfig:
        index = (
            self.path(_KEY, "rag", "index", path=part["index"]) if "index" in part else cache_folder(env) / "rag.sqlite"
        )
        return DocumentsConfig(self._folders(_KEY, "rag", "folders", part=part["folders"]), index)

    def _folders(self, *place: str, part: Mapping[str, str]) -> dict[str, Path]:
        found = {name: self.path(*place, name, path=text).resolve() for name, text in part.items()}
        for name, folder in found.items():
            if not folder.is_dir():
                self.report(f"{part[name]} is no folder", *place, name)
        return found

    def _need_one_of(self, place: tuple[str, ...], part: _Part, keys: tuple[str, str]) -> None:
        if sum(key in part for key in keys) != 1:
            self.report(f"expected either {keys[0]} or {keys[1]}", *place)


def _risks_of(tools: list[str] | dict[str, str]) -> dict[str, Risk]:
    """Return the declared risks of a server's tools; a list declares none."""
    return {name: Risk(risk) for name, risk in tools.items()} if isinstance(tools, dict) else {}
