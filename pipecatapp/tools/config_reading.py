"""Reads the part `tools` of a configuration: every problem at once, each with its place."""

import ipaddress
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from evolve.core.formats.schema_check import Check, compile_schema
from evolve.core.formats.yaml12 import Document
from evolve.core.model.errors import InputError, Location, Problem
from evolve.system.cache_folder import cache_folder
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

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
_Part = dict[str, Any]


@cache
def tools_schema() -> dict[str, Any]:
    """Return the JSON Schema of the part `tools`."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def _check() -> Check:
    return compile_schema(tools_schema())


def read_tools(document: Document, folder: Path, env: Mapping[str, str], *, key: str = "tools") -> ToolsConfig:
    """Return the settings of the tools, with the secrets of the files that they name.

    Args:
        document: the configuration.
        folder: where its relative paths start.
        env: the process's variables, which say where the cache folder is.
        key: of the part; without it no tool is configured.

    Raises:
        InputError: every problem of the part, with its place.
    """
    whole = document.value
    part = whole.get(key) if isinstance(whole, dict) else None
    problems: list[Problem] = []

    def report(path: tuple[str | int, ...], message: str, hint: str = "", kind: str = "value") -> None:
        place = document.locate(key, *path) if kind == "value" else document.locate_key(key, *path)
        problems.append(Problem(message, place, hint))

    value: Any = {} if part is None else part
    _check()(value, (), report)
    if not problems:
        reader = _Reader(document, folder, env, problems, key)
        config = reader.config(value)
    if problems:
        raise InputError(problems)
    return config


class _Reader:
    """Makes values of a part that fits the schema, and collects what the schema cannot say."""

    def __init__(
        self, document: Document, folder: Path, env: Mapping[str, str], problems: list[Problem], key: str
    ) -> None:
        self._document, self._folder, self._env, self._problems, self._key = document, folder, env, problems, key

    def config(self, value: _Part) -> ToolsConfig:
        return ToolsConfig(
            mcp={name: self._server(name, part) for name, part in value.get("mcp", {}).items()},
            projects=self._folders("project_mapper", part=value.get("project_mapper", {})),
            vision=self._vision(value["vision"]) if "vision" in value else None,
            ssh=self._ssh(value["ssh"]) if "ssh" in value else None,
            web=self._web(value.get("web_browser", {})),
            code=CodeConfig(**value["code_runner"]) if "code_runner" in value else None,
            home=self._home(value["ha"]) if "ha" in value else None,
            documents=self._documents(value["rag"]) if "rag" in value else None,
        )

    def _server(self, name: str, part: _Part) -> McpServer:
        place = ("mcp", name)
        self._need_one_of(place, part, ("command", "url"))
        for key, other in (("env_files", "command"), ("token_file", "url")):
            if key in part and other not in part:
                self._report(f"{key} has no effect without {other}", (*place, key))
        return McpServer(
            tools=tuple(part["tools"]),
            command=tuple(part.get("command", ())),
            env={
                variable: self._secret(*place, "env_files", variable, path=path)
                for variable, path in part.get("env_files", {}).items()
            },
            url=part.get("url", ""),
            token=self._secret(*place, "token_file", path=part.get("token_file")),
        )

    def _vision(self, part: _Part) -> VisionConfig:
        sources, tokens = {}, {}
        for name, source in part["sources"].items():
            place = ("vision", "sources", name)
            self._need_one_of(place, source, ("url", "file"))
            if "token_file" in source:
                tokens[name] = self._secret(*place, "token_file", path=source["token_file"])
            sources[name] = source.get("url") or str(self._path(source.get("file", "")))
        key = self._secret("vision", "api_key_file", path=part.get("api_key_file"))
        return VisionConfig(part["url"].rstrip("/"), part["model"], sources, key, tokens)

    def _ssh(self, part: _Part) -> SshConfig:
        hosts = {
            name: SshHost(
                address=host["address"],
                user=host["user"],
                identity_file=self._readable("ssh", "hosts", name, "identity_file", path=host["identity_file"]),
                known_hosts_file=self._readable(
                    "ssh", "hosts", name, "known_hosts_file", path=host["known_hosts_file"]
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
            self._report(f"no network: {exc}", ("web_browser", "allow_private", index), "such as 10.0.0.0/24")
            return None

    def _home(self, part: _Part) -> HomeConfig:
        token = self._secret("ha", "token_file", path=part["token_file"])
        return HomeConfig(part["url"].rstrip("/"), token, tuple(part["domains"]))

    def _documents(self, part: _Part) -> DocumentsConfig:
        index = self._path(part["index"]) if "index" in part else cache_folder(self._env) / "rag.sqlite"
        return DocumentsConfig(self._folders("rag", "folders", part=part["folders"]), index)

    def _folders(self, *place: str, part: Mapping[str, str]) -> dict[str, Path]:
        found = {name: self._path(text).resolve() for name, text in part.items()}
        for name, folder in found.items():
            if not folder.is_dir():
                self._report(f"{part[name]} is no folder", (*place, name))
        return found

    def _need_one_of(self, place: tuple[str, ...], part: _Part, keys: tuple[str, str]) -> None:
        if sum(key in part for key in keys) != 1:
            self._report(f"expected either {keys[0]} or {keys[1]}", place)

    def _secret(self, *place: str, path: str | None) -> str:
        """Return the text of a file, without the line's end; empty where none is named."""
        if path is None:
            return ""
        file = self._readable(*place, path=path)
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except OSError:
            return ""  # reported by `_readable`
        except UnicodeDecodeError:
            self._report(f"{path} is not UTF-8 text", place)
            return ""
        if not secret:
            self._report(f"{path} is empty", place)
        return secret

    def _readable(self, *place: str, path: str) -> Path:
        file = self._path(path)
        try:
            with file.open("rb"):
                pass
        except OSError as exc:
            self._report(f"{path} cannot be read: {exc.strerror}", place)
        return file

    def _path(self, text: str) -> Path:
        return self._folder / Path(text).expanduser()

    def _report(self, message: str, place: tuple[str | int, ...], hint: str = "") -> None:
        where: Location = self._document.locate(self._key, *place)
        self._problems.append(Problem(message, where, hint))
