"""The page of a run that has not ended, served to browsers of this machine only; it follows the run.

It is the same page as the file: its script asks `?after=N` and gets the whole page again once there is a later version.
The page is made when a browser asks, so a run that nobody watches spends no time on it. The server is bound to the
loopback address and refuses requests for any other host name, so that no web page can read it under a name of its own
(DNS rebinding).
"""

import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from evolve import __version__
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.report.evolution.html import page

ADDRESS = "127.0.0.1"
_MAX_CONNECTIONS = 32
"""Each is a thread of the run's own process; a browser opens six."""
WAIT_S = 20.0
"""How long a request for a later version waits for one: shorter than the timeouts of browsers and proxies."""


class LivePage:
    """Serves a run's page while the run lasts: `add` gives it the events, `url` is its address.

    Leaving it as a context manager ends the server; browsers that follow get the last version first.

    Raises:
        EnvironmentFault: no port can be opened.
    """

    def __init__(self, *, linger_s: float = 3.0) -> None:
        self._linger_s = linger_s
        self._state = _State()
        try:
            self._server = _Server((ADDRESS, 0), self._state)
        except OSError as error:
            raise EnvironmentFault(f"cannot serve the live page on {ADDRESS}: {error.strerror or error}") from error
        # Seconds until the server notices that it should end: unnoticeable at the end of a run, and polling is cheap.
        options = {"poll_interval": 0.05}
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs=options, name="live-page", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"http://{ADDRESS}:{self._server.server_port}/"

    def add(self, event: EvolutionEvent) -> None:
        """Take the next event; browsers that follow will show it."""
        self._state.add(event)

    def close(self) -> None:
        """End the server, after a browser that follows has the last version or `linger_s` seconds have passed."""
        self._state.end(self._linger_s)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Made(NamedTuple):
    """A page as bytes, the version of the run that it shows, and the CPU time that it took."""

    version: int
    text: bytes
    cpu_s: float


class _State:
    """The run so far, its version, and who waits for the next one.

    The run only adds its events here; the thread that makes the page reads them, so that the run never waits for it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[EvolutionEvent] = []
        self._is_over = False
        self._is_followed = False
        self._sent = -1
        # Held by the thread that makes the page, together with what it is made from.
        self._making = threading.Lock()
        self._evolution = EvolutionSummary()
        self._folded = 0
        self._made = _Made(-1, b"", 0.0)

    def add(self, event: EvolutionEvent) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def page(self, after: int | None) -> _Made | None:
        """Return the page; with `after` a later version than that, None when there is none in time."""
        with self._changed:
            # From the request on, not from its answer: the run may end in between.
            self._is_followed = True
            if after is not None:
                self._changed.wait_for(lambda: len(self._events) > after or self._is_over, WAIT_S)
                if len(self._events) <= after:
                    return None
        with self._making:
            with self._changed:
                new = self._events[self._folded :]
            for event in new:
                self._evolution.add(event)
            self._folded += len(new)
            if self._made.version != self._folded:
                begun = time.thread_time()
                text = "".join(page(self._evolution, version=self._folded)).encode("utf-8", "backslashreplace")
                self._made = _Made(self._folded, text, time.thread_time() - begun)
            return self._made

    def note_sent(self, version: int) -> None:
        """Record that a browser has a version."""
        with self._changed:
            self._sent = max(self._sent, version)
            self._changed.notify_all()

    def end(self, linger_s: float) -> None:
        """Wait until the last version is sent, if a browser follows; then release all waiting requests."""
        with self._changed:
            if self._is_followed:
                self._changed.wait_for(lambda: self._sent >= len(self._events), linger_s)
            self._is_over = True
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], state: _State) -> None:
        super().__init__(address, _Handler)
        self.state = state
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; close it at once when there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, then let another one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a browser that disconnected; anything else is our bug and is reported."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typed as a socket there


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = f"Anneal/{__version__}"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        """Answer with the page."""
        try:
            asked = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        # A request with two Host headers may mean either.
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self._names():
            self.send_error(HTTPStatus.FORBIDDEN, explain="This server answers only to the address that it printed.")
        elif asked.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._page(parse_qs(asked.query).get("after", [""])[0])

    def _names(self) -> tuple[str, str]:
        port = self.server.server_port
        return f"{ADDRESS}:{port}", f"localhost:{port}"

    def _page(self, after: str) -> None:
        # No run has so many events; Python refuses to read numbers of thousands of digits.
        is_version = after.isdecimal() and len(after) < 12
        found = self.server.state.page(int(after) if is_version else None)
        if found is None:
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            return
        self.send_response(HTTPStatus.OK)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        # The script waits longer before it asks again when the page takes more CPU time from the run.
        self.send_header("Server-Timing", f"page;dur={found.cpu_s * 1000:.0f}")
        self.send_header("Content-Length", str(len(found.text)))
        self.end_headers()
        self.wfile.write(found.text)
        self.server.state.note_sent(found.version)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Print nothing: the console belongs to the run."""


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
