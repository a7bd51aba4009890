"""An agent has the tools of its configuration, and their secrets are the agent's."""

import asyncio
from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from pipecatapp.agent.config import load_config
from pipecatapp.agent.server import make_agent
from pipecatapp.core.ports import ToolCall
from pipecatapp.tools.all_tools import ALL_TOOLS


def config_with(folder: Path, tools: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(f"model: {{url: 'http://127.0.0.1:1'}}\n{tools}\n")
    return path


def test_without_the_part_it_has_no_tools(tmp_path):
    assert make_agent(load_config(config_with(tmp_path, ""))).toolbox.specs() == ()


def test_with_the_part_it_has_all_of_them(tmp_path):
    agent = make_agent(load_config(config_with(tmp_path, "tools: {}")))
    assert [spec.name for spec in agent.toolbox.specs()] == [tool.spec.name for tool in ALL_TOOLS]


def test_the_tool_mcp_shows_the_agents_own_table(tmp_path):
    async def run() -> str:
        agent = make_agent(load_config(config_with(tmp_path, "tools: {}")))
        await agent.start()
        try:
            return (await agent.toolbox.run(ToolCall("1", "mcp", {"action": "status"}), "s")).text
        finally:
            await agent.stop()

    assert "agent: ok" in asyncio.run(run())


def test_secrets_of_tools_are_the_agents(tmp_path):
    (tmp_path / "token").write_text("s3cret-of-the-house\n")
    part = "tools: {ha: {url: 'http://ha.lan', token_file: token, domains: [light]}}"
    assert "s3cret-of-the-house" in load_config(config_with(tmp_path, part)).secrets


def test_problems_of_tools_are_reported_with_the_others(tmp_path):
    with pytest.raises(InputError) as caught:
        load_config(config_with(tmp_path, "tools: {rag: {folder: x}}\nkeys_file: gone"))
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == 2
    assert any("tools.rag" in problem and "did you mean 'folders'?" in problem for problem in found)
