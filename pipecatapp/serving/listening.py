"""Where a program listens, and its port for Prometheus."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, start_http_server

from evolve.core.model.errors import EnvironmentFault

_EVERY_HOST: Final = ("0.0.0.0", "::")


class Listen(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def advertised(self) -> str:
        """HOST:PORT for Consul; :PORT, which is at the node's own address, where every address is served."""
        return f":{self.port}" if self.host in _EVERY_HOST else str(self)

    def overlaps(self, other: "Listen") -> bool:
        """Return whether a socket at the other address keeps this one from being opened; port 0 is a free one."""
        hosts = {self.host, other.host}
        return self.port == other.port != 0 and (len(hosts) == 1 or not hosts.isdisjoint(_EVERY_HOST))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def open_listener(listen: Listen) -> socket.socket:
    """Return a socket that takes connections.

    Raises:
        EnvironmentFault: the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((listen.host, listen.port), family=family, backlog=2048)
    except OSError as exc:
        raise _not_free(listen, exc) from exc


def serve_metrics(registry: CollectorRegistry, listen: Listen) -> Callable[[], None]:
    """Serve `/metrics` in a thread of its own; return what ends it.

    Raises:
        EnvironmentFault: the address cannot be used.
    """
    try:
        server, thread = start_http_server(listen.port, listen.host, registry)
    except OSError as exc:
        raise _not_free(listen, exc) from exc

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _not_free(listen: Listen, exc: OSError) -> EnvironmentFault:
    return EnvironmentFault(f"cannot listen on {listen}: {exc.strerror or exc}")
