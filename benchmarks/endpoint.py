"""A loopback endpoint for benchmarks: OpenAI-like chat, in a process of its own, so that its CPU is not counted.

`python benchmarks/endpoint.py [DELAY_S]` prints its port and serves until it is killed. It answers `said: ` and the
last user message, at once or after the delay, and parses no more than that needs: no benchmark should wait for it.
"""

import asyncio
import json
import sys

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive; bodies have a Content-Length, as those of all clients here do."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (body := self._next_body()) is not None:
            answer = _answer(body)
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _next_body(self) -> bytes | None:
        """The next complete request's body, taken from what came; None when it is not complete."""
        head_end = self._received.find(_END)
        if head_end < 0:
            return None
        body_start = head_end + len(_END)
        body_end = body_start + _body_length(bytes(self._received[:head_end]))
        if len(self._received) < body_end:
            return None
        body = bytes(self._received[body_start:body_end])
        del self._received[:body_end]
        return body


def _body_length(head: bytes) -> int:
    lines = (line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH))
    return int(next(lines, _LENGTH + b"0")[len(_LENGTH) :])


def _answer(body: bytes) -> bytes:
    text = f"said: {json.loads(body)['messages'][-1]['content']}" if body else "said nothing"
    reply = {
        "id": "bench",
        "object": "chat.completion",
        "model": "bench",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 12, "total_tokens": 22},
    }
    data = json.dumps(reply).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


async def _serve(delay_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(delay_s), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
