"""Serves the gateway with uvicorn until it is asked to end."""

import gc
import socket
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn

from pipecatapp.gateway.app import inner_app
from pipecatapp.gateway.completions import completions
from pipecatapp.gateway.config import GatewayConfig
from pipecatapp.gateway.doorway import LOG, Doorway
from pipecatapp.gateway.gateway import Gateway
from pipecatapp.serving.listening import open_listener
from pipecatapp.serving.logs import log_to_stderr

_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections (OpenAI's: 5 s): the side that closes first should be the client."""
_GC_THRESHOLDS = (10_000, 10, 10)
_DRAIN_S = 30
"""What answers under way may take when the gateway is asked to end."""


def serve(config: GatewayConfig, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; answers under way are completed.

    Args:
        config: as it was checked.
        say: gets a line for a person: where it serves.

    Raises:
        EnvironmentFault: an address cannot be used.
    """
    gateway = Gateway(config)
    with ExitStack() as opened:
        listener = opened.enter_context(open_listener(config.listen))
        if config.metrics is not None:
            opened.callback(gateway.metrics.serve(config.metrics))
        server = server_for(gateway)
        _collect_less()
        say(f"serving on {_url(config, listener)}")
        for warning in gateway.health().warnings:
            say(f"warning: {warning}")
        # uvicorn's own lines: starts, ends and faults of the server; its line for each request is ours.
        log_to_stderr(LOG, "uvicorn", "uvicorn.error")
        server.run(sockets=[listener])


def server_for(gateway: Gateway, *, drain_s: int = _DRAIN_S) -> uvicorn.Server:
    """Return the server of a gateway; it needs the sockets to serve on.

    Args:
        gateway: not started.
        drain_s: what answers under way may take when the server is asked to end.
    """
    tls = gateway.config.tls
    return uvicorn.Server(
        uvicorn.Config(
            Doorway(inner_app(gateway), completions(gateway)),
            ssl_certfile=tls.cert if tls else None,
            ssl_keyfile=tls.key if tls else None,
            log_config=None,
            access_log=False,
            server_header=False,
            # Nothing asks who the client is.
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=drain_s,
        )
    )


def _collect_less() -> None:
    """Let the garbage collector skip what lives as long as the process, and run less often.

    With Python's own thresholds it walks all modules' objects again and again: a tenth of what a stream costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _url(config: GatewayConfig, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if config.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/v1"
