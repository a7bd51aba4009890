"""Every fault of the wire against every call of the clients: its class, no token anywhere, no write sent twice."""

import asyncio
import contextlib
import socket
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.caller import Patience
from evolve.cluster.consul import operations as consul_operations
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import (
    ClusterFault,
    Denied,
    Garbled,
    NoAnswer,
    NoLeader,
    Rejected,
    TooManyRequests,
    Unreachable,
)
from evolve.cluster.nomad import operations as nomad_operations
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.operations import Operation
from fixtures.cluster_calls import CONSUL_CALLS, NOMAD_CALLS
from fixtures.wire_faults import WireFault, wire_server

TOKEN = "7e57ab1e-5ec2-4e75-a11d-0123456789ab"
TRIES = 2
EXPECTED: dict[WireFault, tuple[type[ClusterFault], bool]] = {
    WireFault.LATE: (NoAnswer, True),
    WireFault.HALF_OPEN: (NoAnswer, True),
    WireFault.RESET: (NoAnswer, True),
    WireFault.HANG_UP: (NoAnswer, True),
    WireFault.DRIP: (NoAnswer, True),
    WireFault.CUT: (NoAnswer, True),
    WireFault.SHORT: (Garbled, False),
    WireFault.BUSY: (TooManyRequests, True),
    WireFault.NO_LEADER: (NoLeader, True),
    WireFault.BROKEN_PROXY: (NoLeader, True),
    WireFault.REFUSED: (Rejected, False),
    WireFault.FORBIDDEN: (Denied, False),
    WireFault.PAGE: (Garbled, False),
    WireFault.BINARY: (NoAnswer, True),
    WireFault.REDIRECT: (Garbled, False),
}
"""For each fault the class, and whether a read is tried again."""
SLOW = (WireFault.LATE, WireFault.HALF_OPEN, WireFault.DRIP)
Call = tuple[Operation[object], Callable[[Any], Awaitable[Any]], type[Any]]
CALLS: list[Call] = [
    *((one, NOMAD_CALLS[one.name], NomadClient) for one in nomad_operations.OPERATIONS if one.name in NOMAD_CALLS),
    *((one, CONSUL_CALLS[one.name], ConsulClient) for one in consul_operations.OPERATIONS),
]


def test_there_is_a_sample_of_every_call() -> None:
    assert {one.name for one in nomad_operations.OPERATIONS} - {"events.stream"} == {*NOMAD_CALLS}
    assert {one.name for one in consul_operations.OPERATIONS} == {*CONSUL_CALLS}


def test_every_fault_is_expected() -> None:
    assert {*EXPECTED} == {*WireFault}


async def provoked(call: Call, fault: WireFault) -> tuple[BaseException | None, list[str]]:
    """What a call raises where every answer has the fault, and the heads of the requests that arrived."""
    _, ask, kind = call
    # All calls wait at once, and a busy machine needs its time to open their connections.
    patience = Patience(read_s=2.0 if fault in SLOW else 20.0, read_tries=TRIES, first_pause_s=0.001)
    async with wire_server(WireFault.PAGE) as (other, elsewhere), wire_server(fault) as (server, url):
        server.elsewhere = elsewhere
        async with kind(ClusterAddress(url, TOKEN), patience) as client:
            raised = await raised_by(ask(client))
        return raised, [*server.requests, *other.requests]


async def raised_by(waiting: Awaitable[Any]) -> BaseException | None:
    try:
        await waiting
    except Exception as exc:
        return exc
    return None


@pytest.mark.parametrize("fault", WireFault, ids=lambda fault: fault.value)
def test_each_call_raises_the_fault_s_class_and_repeats_no_write(fault: WireFault) -> None:
    kind, is_tried_again = EXPECTED[fault]

    async def all_calls() -> list[tuple[BaseException | None, list[str]]]:
        return await asyncio.gather(*(provoked(call, fault) for call in CALLS))

    for (operation, *_), (raised, requests) in zip(CALLS, asyncio.run(all_calls()), strict=True):
        what = f"{operation.name}: {raised!r}"
        if operation is nomad_operations.ALLOCATION_LOGS and fault is WireFault.SHORT:
            assert isinstance(raised, Garbled), what
        assert type(raised) is kind, what
        assert len(requests) == (TRIES if is_tried_again and not operation.writes else 1), what
        assert all(f": {TOKEN}" in head and TOKEN not in head.split("\r\n")[0] for head in requests), what
        assert raised is not None
        assert TOKEN not in "".join(traceback.format_exception(raised)) + repr(raised)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[2].__name__}.{call[0].name}")
def test_nobody_listens_means_that_nothing_was_sent(call: Call, faulty_server) -> None:
    _, ask, kind = call

    async def refused() -> BaseException | None:
        address = ClusterAddress(faulty_server.refusing_url, TOKEN)
        async with kind(address, Patience(read_tries=TRIES, first_pause_s=0.001)) as client:
            return await raised_by(ask(client))

    raised = asyncio.run(refused())
    assert type(raised) is Unreachable
    assert not raised.may_be_done
    assert TOKEN not in repr(raised)


def test_a_handshake_without_an_answer_ends_by_its_own_limit_and_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as waiting:
        host, port = server.getsockname()
        # Nobody accepts: once the queue is full, the kernel answers no further SYN.
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((host, port))

        async def refused() -> BaseException | None:
            patience = Patience(connect_s=0.3, read_s=60, read_tries=1)
            async with NomadClient(ClusterAddress(f"http://{host}:{port}", TOKEN), patience) as nomad:
                return await raised_by(nomad.jobs.stop("web"))

        raised = asyncio.run(refused())
    assert type(raised) is Unreachable
    assert "handshake" in str(raised)


def test_a_token_is_in_no_repr() -> None:
    for kind in (NomadClient, ConsulClient):
        client = kind(ClusterAddress("http://127.0.0.1:1", TOKEN))
        assert TOKEN not in repr(client) + repr(client._caller) + repr(client._caller.address) + repr(vars(client))
