"""Lists in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from evolve.cluster.faults import Garbled
from evolve.cluster.operations import ApiReply

T = TypeVar("T")
ReadPage = Callable[[str], Awaitable[tuple[tuple[T, ...], ApiReply]]]


async def all_pages(read: ReadPage[T]) -> AsyncIterator[T]:
    """Yield the items of all pages; raise Garbled when the server names the same page twice.

    Args:
        read: one page, by the token that the page before named; the first has the empty token.
    """
    token, seen = "", {""}
    while True:
        items, reply = await read(token)
        for item in items:
            yield item
        if not (token := reply.next_token):
            return
        if token in seen:
            raise Garbled("the list of pages goes round in a circle", call="a list in pages")
        seen.add(token)
