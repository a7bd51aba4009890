"""The role's program that asks Consul where metrics are: what it writes when services come, go and Consul fails."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.loopback_server import LoopbackServer
from fixtures.processes import wait_for
from fixtures.watched_app import followed_consul

WEB = {"ServiceName": "web", "ServiceMeta": {"metrics": ":9100"}, "Node": "here", "Address": "10.0.0.1"}
SIX = {"ServiceName": "six", "ServiceMeta": {"metrics": ":9100"}, "Node": "there", "Address": "fd00::6"}
OTHER = {"ServiceName": "other", "ServiceMeta": {}, "Node": "here", "Address": "10.0.0.1"}
OF_WEB = {"targets": ["10.0.0.1:9100"], "labels": {"job": "web", "node": "here"}}
OF_SIX = {"targets": ["[fd00::6]:9100"], "labels": {"job": "six", "node": "there"}}


class Catalog(LoopbackServer):
    """The part of Consul's catalog that the program asks; `is_cut` ends each answer in its middle."""

    def __init__(self) -> None:
        self.services = [WEB, SIX, OTHER]
        self.is_cut = False
        super().__init__()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        name = path.rpartition("/")[2]
        found = [one for one in self.services if one["ServiceName"] == name]
        body = json.dumps(found if "/service/" in path else {str(one["ServiceName"]): [] for one in self.services})
        sent = body[: len(body) // 2] if self.is_cut else body
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{sent}".encode())
        await writer.drain()


@pytest.fixture
def consul() -> Iterator[Catalog]:
    found = Catalog()
    yield found
    found.close()


def test_targets_follow_the_catalog_and_stay_while_it_fails(consul, tmp_path):
    with followed_consul(tmp_path, consul.url) as file:

        def targets() -> object:
            return json.loads(Path(file).read_text()) if Path(file).exists() else None

        def said() -> str:
            return (tmp_path / "metrics-targets.log").read_text()

        wait_for("both are found", lambda: targets() == [OF_SIX, OF_WEB])
        consul.is_cut = True
        wait_for("the fault is reported", lambda: "does not answer, the targets stay as they are" in said())
        consul.services = [WEB]
        assert targets() == [OF_SIX, OF_WEB]
        consul.is_cut = False
        wait_for("what has gone is no target", lambda: targets() == [OF_WEB])
        Path(f"{file}.new").mkdir()
        consul.services = [SIX]
        wait_for("the file's fault is reported", lambda: f"{file} cannot be written" in said())
        assert targets() == [OF_WEB]
        Path(f"{file}.new").rmdir()
        wait_for("it is written when it can be", lambda: targets() == [OF_SIX])
        assert "Traceback" not in said()
