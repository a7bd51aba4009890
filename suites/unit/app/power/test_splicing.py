"""Two connections on loopback made one; the other cases are in suites/integration/app/test_activator_connections.py."""

import asyncio
import contextlib

import pytest

from pipecatapp.power.splicing import Line, ReadAhead, splice


@contextlib.asynccontextmanager
async def connection():
    """Both ends of one."""
    accepted = asyncio.get_running_loop().create_future()
    listener = await asyncio.start_server(lambda *ends: accepted.set_result(Line(*ends)), "127.0.0.1", 0)
    async with listener:
        far = Line(*await asyncio.open_connection(*listener.sockets[0].getsockname()))
        near = await accepted
        try:
            yield far, near
        finally:
            far.abandon()
            near.abandon()


@contextlib.asynccontextmanager
async def spliced(linger_s):
    """A client, a server, and the task that carries their bytes."""
    async with connection() as (client, client_end), connection() as (server, server_end):
        work = asyncio.create_task(splice(client_end, server_end, ReadAhead(client_end.reader), linger_s=linger_s))
        try:
            yield client, server, work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def run(work):
    async def limited():
        async with asyncio.timeout(60):
            await work

    asyncio.run(limited())


def test_a_client_that_does_not_notice_the_servers_end_is_not_kept_for_ever():
    async def work():
        async with spliced(0.05) as (client, server, carrying):
            client.writer.write(b"GET")
            assert await server.reader.readexactly(3) == b"GET"
            server.writer.write(b"200")
            server.writer.close()
            await carrying
            assert await client.reader.read() == b"200"

    run(work())


@pytest.mark.parametrize("size", [1, 2**20])
def test_a_client_may_send_behind_the_servers_end(size):
    async def work():
        async with spliced(3600.0) as (client, server, carrying):
            server.writer.write_eof()
            assert await client.reader.read() == b""
            client.writer.write(b"x" * size)
            client.writer.write_eof()
            assert len(await server.reader.read()) == size
            await carrying

    run(work())


def test_a_server_may_answer_for_long_behind_the_clients_end():
    async def work():
        async with spliced(0.0) as (client, server, carrying):
            client.writer.write_eof()
            assert await server.reader.read() == b""
            assert not carrying.done()
            server.writer.write(b"late")
            server.writer.write_eof()
            assert await client.reader.read() == b"late"
            await carrying

    run(work())
