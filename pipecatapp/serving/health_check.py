"""Asks a program of the app on this machine whether it answers: a container's health check."""

import http.client
import ssl
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.serving.listening import Listen

PATH: Final = "/health/live"
_TIMEOUT_S: Final = 5.0
"""Below the ten seconds after which Docker ends a check."""
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses on which a program listens for everybody, and where this machine reaches it."""


def check_health(listen: Listen, *, is_tls: bool) -> None:
    """Ask `/health/live` at an address.

    Raises:
        EnvironmentFault: nobody answers there, or with another status than 200.
    """
    host, port = _ANY.get(listen.host, listen.host), listen.port
    connection = _connection(host, port, is_tls=is_tls)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        raise EnvironmentFault(f"{host}:{port} does not answer: {exc}") from exc
    finally:
        connection.close()
    if status != 200:
        raise EnvironmentFault(f"{host}:{port} answers with status {status}")


def _connection(host: str, port: int, *, is_tls: bool) -> http.client.HTTPConnection:
    if not is_tls:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    # The certificate is for the name that clients use; nothing secret is sent.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
