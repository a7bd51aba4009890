"""A loopback server that answers in the protocol of every provider, for `public_suites.py`.

Its answers depend on the question alone, so that two tools that ask the same get the same. A grader's question gets the
JSON that graders expect; every other gets an echo of its last message.
"""

import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fixtures.faulty_server import Ok, good_body
from fixtures.loopback_server import Received

_ECHO = re.compile(r"echo:(.{0,6})")
"""The beginning only: what follows a short output is the tool's own prompt again."""


def answer_text(asked: Any) -> str | None:
    """Return what the model says to this request; None lets it echo.

    A grader's prompt names the keys of its answer. Half of these answers pass, so that both verdicts are compared:
    by a checksum of the output that it grades, which is an echo. The rest of the prompt is each tool's own.
    """
    if not isinstance(asked, dict):
        return None
    whole = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    if "reason" not in whole or "pass" not in whole:
        return None
    graded = _ECHO.search(re.sub(r"\\\\*[ntr]|[^A-Za-z0-9:]", "", whole))
    passed = zlib.crc32(graded[1].encode() if graded else b"") % 2 == 0
    return json.dumps({"reason": "by its checksum", "pass": passed, "score": 1.0 if passed else 0.25})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, self.path, headers, body)
        try:
            asked = json.loads(body) if body else {}
            reply = good_body(request, Ok(text=answer_text(asked))).encode()
        except (ValueError, TypeError, AttributeError):
            reply = b'{"echo": "not understood"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server names it
        """Print nothing: the table is all that a reader wants."""


@contextmanager
def serve() -> Iterator[str]:
    """Yield the server's URL, `http://127.0.0.1:PORT`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
