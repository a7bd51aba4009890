"""What tools of MCP servers can do: as declared, else by the server's hints, else dangerous."""

import asyncio
from dataclasses import dataclass

import pytest

from pipecatapp.core.ports import Risk
from pipecatapp.tools.config import McpServer
from pipecatapp.tools.mcp_client import McpFault
from pipecatapp.tools.mcp_risks import McpRisks, risk_of_hints


@dataclass
class Said:
    name: str
    read_only: bool | None = None
    destructive: bool | None = None


@pytest.mark.parametrize(
    ("read_only", "destructive", "risk"),
    [
        (True, None, Risk.READ),
        (True, True, Risk.READ),  # the second hint has no meaning then
        (False, False, Risk.WRITE),
        (None, False, Risk.WRITE),
        (False, True, Risk.DANGER),
        (False, None, Risk.DANGER),
        (None, None, Risk.DANGER),
    ],
)
def test_hints_have_the_protocols_defaults(read_only, destructive, risk):
    assert risk_of_hints(read_only, destructive) is risk


class Server:
    """A server that counts how often it was asked."""

    def __init__(self, *tools: Said) -> None:
        self.tools, self.asked, self.now = list(tools), 0, 0.0
        self.risks = McpRisks(self.list_tools, lambda: self.now)

    async def list_tools(self, _name: str, _server: McpServer) -> list[Said]:
        self.asked += 1
        if not self.tools:
            raise McpFault("it is away")
        return self.tools

    def of(self, tool: str, **declared: Risk) -> Risk:
        return asyncio.run(self.risks.of("tickets", McpServer(("a", "b"), declared, url="http://127.0.0.1:1"), tool))


def test_what_is_declared_counts_and_nobody_is_asked():
    server = Server(Said("a", read_only=True))
    assert server.of("a", a=Risk.DANGER) is Risk.DANGER
    assert server.of("a", a=Risk.WRITE) is Risk.WRITE
    assert server.asked == 0


def test_a_server_is_asked_once_in_ten_minutes():
    server = Server(Said("a", read_only=True), Said("b"))
    assert [server.of("a"), server.of("b"), server.of("a")] == [Risk.READ, Risk.DANGER, Risk.READ]
    assert server.asked == 1
    server.now, server.tools[0].read_only = 601.0, False
    assert server.of("a") is Risk.DANGER
    assert server.asked == 2


def test_a_tool_that_the_server_does_not_list_is_dangerous():
    assert Server(Said("a", read_only=True)).of("b") is Risk.DANGER


def test_a_server_that_is_away_says_nothing():
    with pytest.raises(McpFault):
        Server().of("a")
