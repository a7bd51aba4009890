"""The part `tools` of a configuration: every problem at once, and secrets from files only."""

from pathlib import Path

import pytest

from evolve.core.formats.yaml12 import read_document
from evolve.core.model.errors import InputError
from pipecatapp.core.ports import Risk
from pipecatapp.serving.config_files import ConfigReader
from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.config_reading import read_tools

WHOLE = """
listen: 127.0.0.1:1
tools:
  mcp:
    calendar: {command: [calendar-mcp, --stdio], env_files: {CALENDAR_KEY: key}, tools: [list_events]}
    tickets: {url: "https://tickets.example/mcp", token_file: key, tools: []}
  project_mapper: {here: .}
  vision:
    url: http://127.0.0.1:8080/v1/
    model: eye
    api_key_file: key
    sources: {door: {url: "http://127.0.0.1/door.jpg", token_file: key}, plan: {file: plan.png}}
  ssh:
    hosts: {nas: {address: nas.lan, user: watcher, identity_file: key, known_hosts_file: key}}
    commands: {uptime: [uptime]}
  web_browser: {allow_private: [10.0.0.0/24], search_url: "https://search.example/?q={query}"}
  code_runner: {image: "python:3.13-slim"}
  ha: {url: "http://ha.lan:8123/", token_file: key, domains: [light]}
  rag: {folders: {notes: .}}
"""


def config_of(text: str, folder: Path) -> ToolsConfig:
    reader = ConfigReader(read_document(text, "agent.yaml"), folder)
    config = read_tools(reader, {"EVOLVE_CACHE_DIR": str(folder)})
    if reader.problems:
        raise InputError(reader.problems)
    return config


def problems_of(text: str, folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        config_of(text, folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_part(tmp_path):
    (tmp_path / "key").write_text("s3cret-of-a-file\n")
    found = config_of(WHOLE, tmp_path)
    assert found.mcp["calendar"].env == {"CALENDAR_KEY": "s3cret-of-a-file"}
    assert found.mcp["tickets"].token == "s3cret-of-a-file"
    assert found.vision
    assert found.vision.url == "http://127.0.0.1:8080/v1"
    assert found.vision.sources["plan"] == str(tmp_path / "plan.png")
    assert found.ssh
    assert found.ssh.hosts["nas"].port == 22
    assert found.home
    assert found.home.url == "http://ha.lan:8123"
    assert found.documents
    assert found.documents.index == tmp_path / "rag.sqlite"
    assert found.code
    assert found.code.docker == "unix:///var/run/docker.sock"
    assert found.secrets() == ("s3cret-of-a-file",)
    assert "s3cret" not in repr(found)


def test_without_the_part_nothing_is_configured(tmp_path):
    assert config_of("listen: 127.0.0.1:1\n", tmp_path) == ToolsConfig()
    assert config_of("tools:\n", tmp_path) == ToolsConfig()


def test_every_problem_of_the_schema_at_once(tmp_path):
    text = """
tools:
  ssh:
    hosts: {nas: {address: -oProxyCommand=id, user: a b, identity_file: k, known_hosts_file: k, password: x}}
    commands: {uptime: uptime}
  rags: {}
  ha: {url: "http://me:pw@ha.lan", domains: [Light]}
"""
    found = problems_of(text, tmp_path)
    assert [problem.partition(": ")[0] for problem in found] == [
        "agent.yaml:4:28", "agent.yaml:4:53", "agent.yaml:4:97", "agent.yaml:5:24", "agent.yaml:6:3",
        "agent.yaml:7:13", "agent.yaml:7:46", "agent.yaml:7:7",
    ]  # fmt: skip


def test_every_problem_beyond_the_schema_at_once(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    text = """
tools:
  mcp:
    both: {command: [x], url: "http://127.0.0.1", tools: []}
    none: {tools: [], token_file: empty}
  project_mapper: {gone: nowhere}
  vision: {url: "http://127.0.0.1", model: m, api_key_file: binary, sources: {door: {}}}
  web_browser: {allow_private: [10.0.0.1/8]}
  ha: {url: "http://127.0.0.1", token_file: gone, domains: [light], never_ask: [scene.evening, lock.x, lock]}
"""
    assert problems_of(text, tmp_path) == [
        "agent.yaml:4:11: tools.mcp.both: expected either command or url",
        "agent.yaml:5:11: tools.mcp.none: expected either command or url",
        "agent.yaml:5:35: tools.mcp.none.token_file: token_file has no effect without url",
        "agent.yaml:5:35: tools.mcp.none.token_file: empty is empty",
        "agent.yaml:6:26: tools.project_mapper.gone: nowhere is no folder",
        "agent.yaml:7:85: tools.vision.sources.door: expected either url or file",
        "agent.yaml:7:61: tools.vision.api_key_file: binary is not UTF-8 text",
        "agent.yaml:8:33: tools.web_browser.allow_private[0]: no network: 10.0.0.1/8 has host bits set"
        " (such as 10.0.0.0/24)",
        "agent.yaml:9:45: tools.ha.token_file: gone cannot be read: No such file or directory",
        "agent.yaml:9:96: tools.ha.never_ask[1]: lock.x cannot be in never_ask (locks and alarms always ask a person)",
        "agent.yaml:9:104: tools.ha.never_ask[2]: lock cannot be in never_ask (locks and alarms always ask a person)",
    ]


def test_the_risks_of_a_servers_tools_may_be_declared(tmp_path):
    text = """
tools:
  mcp:
    named: {command: [x], tools: {search: read, close: danger}}
    listed: {command: [x], tools: [search]}
"""
    found = config_of(text, tmp_path).mcp
    assert (found["named"].tools, found["listed"].tools) == (("search", "close"), ("search",))
    assert found["named"].risks == {"search": Risk.READ, "close": Risk.DANGER}
    assert found["listed"].risks == {}
    assert problems_of(text.replace("danger", "dangerous"), tmp_path) != []


def test_a_line_end_does_not_hide_at_the_end_of_a_name(tmp_path):
    text = 'tools: {ha: {url: "http://ha.lan\\n", token_file: x, domains: ["light\\n"]}}\n'
    assert len(problems_of(text, tmp_path)) == 2
