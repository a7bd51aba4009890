"""What happens to a client's connection: it waits, is spliced, half closed, held back, reset or refused."""

import asyncio
import contextlib
import json
import socket

import pytest

from evolve.cluster.address import ClusterAddress
from fixtures.loopback_server import LoopbackServer
from fixtures.power_cluster import running_power_agent, sleeping_service
from fixtures.processes import wait_for
from fixtures.real_consul import started_consul
from fixtures.sleeping_nodes import MAC, SleepingNode
from pipecatapp.power.config import LanWake, PowerConfig

NAME = "plain"
PIECE, PIECES = 2**16, 1000


class Plain(LoopbackServer):
    """A service of TCP: what it does depends on a connection's first byte."""

    def __init__(self):
        self.sent = 0
        super().__init__()

    async def talk(self, reader, writer):
        match await reader.read(1):
            case b"r":  # reverses what comes until the client's end
                writer.write((await reader.read())[::-1])
            case b"e":  # answers each byte
                while byte := await reader.read(1):
                    writer.write(byte.upper())
            case b"m":  # much
                for _ in range(PIECES):
                    writer.write(b"x" * PIECE)
                    await writer.drain()
                    self.sent += PIECE
            case b"x":  # ends by force
                writer.write(b"half of it")
                await writer.drain()
                await reader.read(1)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.drain()


@pytest.fixture(scope="module")
def consul(tmp_path_factory):
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield url


@pytest.fixture
def plain():
    with contextlib.closing(Plain()) as found:
        yield found


@pytest.fixture
def node(consul, plain):
    with contextlib.closing(SleepingNode(consul, NAME, plain.port)) as found:
        yield found


@pytest.fixture
def start(consul, node):
    """Start an agent whose one service has these options."""
    with contextlib.ExitStack() as running:

        def run(**options):
            lan = LanWake(MAC, "127.0.0.1", node.udp_port)
            service = sleeping_service(NAME, nomad=None, lan=lan, **{"is_http": False, **options})
            return running.enter_context(running_power_agent(PowerConfig(ClusterAddress(consul), (service,))))

        yield run


def connect(agent):
    return socket.create_connection(("127.0.0.1", agent[NAME].port), timeout=60)


def read_all(client):
    parts = []
    while part := client.recv(2**16):
        parts.append(part)
    return b"".join(parts)


def waiting(agent):
    return agent.sample("power_agent_clients", service=NAME, kind="waiting")


def test_a_magic_packet_wakes_the_node_and_the_client_is_answered_late(start, node):
    agent = start()
    with connect(agent) as client:
        client.sendall(b"e" + b"late")
        assert node.heard.wait(60)
        assert waiting(agent) == 1
        node.wake()
        assert client.recv(1) == b"L"
    wait_for("nobody is served", lambda: agent.sample("power_agent_clients", service=NAME, kind="served") == 0)
    assert agent.sample("power_agent_wait_seconds_count", service=NAME) == 1


@pytest.mark.parametrize("is_awake", [True, False], ids=["awake", "asleep"])
def test_a_half_closed_connection_still_gets_its_answer(start, node, is_awake):
    if is_awake:
        node.wake()
    agent = start()
    with connect(agent) as client:
        client.sendall(b"r" + b"forwards")
        client.shutdown(socket.SHUT_WR)
        if not is_awake:
            assert node.heard.wait(60)
            node.wake()
        assert read_all(client) == b"sdrawrof"


def test_more_than_a_waiting_client_may_send_ahead_arrives_whole(start, node):
    agent = start()
    sent = bytes(range(256)) * 8192
    with connect(agent) as client:
        client.settimeout(60)
        client.sendall(b"r")
        assert node.heard.wait(60)
        node.wake()
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == sent[::-1]


def test_a_client_that_does_not_read_holds_the_service_back(start, node, plain):
    node.wake()
    agent = start()
    with connect(agent) as client:
        client.sendall(b"m")
        seen = []

        def has_stopped():
            seen.append(plain.sent)
            return len(seen) > 20 and seen[-1] == seen[-20] > 0

        wait_for("the service is held back", has_stopped)
        assert plain.sent < PIECE * PIECES / 2
        assert len(read_all(client)) == PIECE * PIECES


def test_a_reset_of_the_service_is_a_reset_for_the_client(start, node):
    node.wake()
    agent = start()
    with connect(agent) as client:
        client.sendall(b"x")
        assert client.recv(64) == b"half of it"
        client.sendall(b"!")
        with pytest.raises(ConnectionResetError):
            client.recv(64)


def test_a_client_that_leaves_ends_its_own_wait_only(start, node):
    agent = start(is_http=True)
    first, second = connect(agent), connect(agent)
    for one in (first, second):
        one.sendall(b"e")
    wait_for("both wait", lambda: waiting(agent) == 2)
    first.close()
    wait_for("one waits", lambda: waiting(agent) == 1)
    assert agent.sample("power_agent_clients_gone_total", service=NAME) == 1
    node.wake()
    with second:
        second.sendall(b"b")
        assert second.recv(1) == b"B"


def test_a_wake_goes_on_when_the_last_client_leaves(start, node):
    agent = start()
    connect(agent).close()
    assert node.heard.wait(60)
    wait_for("nobody waits", lambda: waiting(agent) == 0)
    assert agent.sample("power_agent_phase", service=NAME, phase="waking") == 1
    node.may_wake.set()
    wait_for("it is awake", lambda: agent.sample("power_agent_phase", service=NAME, phase="awake") == 1)
    assert len(node.packets) > 1


def test_a_node_that_went_to_sleep_unnoticed_is_woken_by_the_failed_connection(start, node, plain):
    node.wake()
    agent = start()
    wait_for("it is awake", lambda: agent.sample("power_agent_phase", service=NAME, phase="awake") == 1)
    port = plain.port
    plain.close()
    with connect(agent) as client:
        client.sendall(b"e" + b"a")
        assert node.heard.wait(60)
        with contextlib.closing(Replaced(port)):
            assert client.recv(1) == b"A"


class Replaced(Plain):
    """The same service at the same port."""

    def __init__(self, port):
        self.sent = 0
        LoopbackServer.__init__(self, port)


def test_who_waits_too_long_is_refused_with_a_503_and_when_to_come_back(start):
    agent = start(is_http=True, timeout_s=0.3, retry_s=7.0)
    with connect(agent) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000)
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 7" in head
    assert json.loads(body)["error"]["code"] == "timeout"
    assert agent.sample("power_agent_refused_total", service=NAME, reason="timeout") == 1


def test_a_client_of_tcp_that_is_refused_sees_the_end(start):
    agent = start(timeout_s=0.3)
    with connect(agent) as client:
        client.sendall(b"e")
        assert client.recv(64) == b""


def test_more_clients_than_may_wait_are_refused_at_once(start, node):
    agent = start(max_waiting=1)
    with connect(agent) as first, connect(agent) as second:
        first.sendall(b"e")
        wait_for("one waits", lambda: waiting(agent) == 1)
        second.sendall(b"e")
        ended = [one for one in (first, second) if one is second]
        assert ended[0].recv(64) == b""
        assert agent.sample("power_agent_refused_total", service=NAME, reason="too_many_waiting") == 1
        node.wake()
        first.sendall(b"b")
        assert first.recv(1) == b"B"


def test_a_client_from_elsewhere_wakes_nothing_and_is_served_while_it_is_awake(start, node):
    agent = start(allow=())
    with connect(agent) as client:
        assert client.recv(64) == b""
    assert not node.packets
    assert agent.sample("power_agent_refused_total", service=NAME, reason="not_allowed") == 1
    node.wake()
    wait_for("it is awake", lambda: agent.sample("power_agent_phase", service=NAME, phase="awake") == 1)
    with connect(agent) as client:
        client.sendall(b"e" + b"a")
        assert client.recv(1) == b"A"


def test_the_end_of_the_agent_takes_it_out_of_consul(start, consul, node):
    from evolve.cluster.consul.client import ConsulClient

    async def registered():
        async with ConsulClient(ClusterAddress(consul)) as client:
            return [one.name for one in await client.health.service(f"activator-{NAME}")]

    service = sleeping_service(NAME, nomad=None, lan=LanWake(MAC, "127.0.0.1", node.udp_port))
    with running_power_agent(PowerConfig(ClusterAddress(consul), (service,))):
        assert asyncio.run(registered()) == [f"activator-{NAME}"]
    assert asyncio.run(registered()) == []
