"""Serves the agent with aiohttp until it is asked to end."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

from aiohttp import web

from evolve.core.model.errors import InputError, Problem
from pipecatapp.agent.app import AgentApp
from pipecatapp.agent.config import AgentConfig
from pipecatapp.agent.pages import add_page_routes
from pipecatapp.agent.sockets import add_socket_route
from pipecatapp.agent.turn_route import add_turn_route
from pipecatapp.agent.turns import LOG
from pipecatapp.agent.voice_socket import add_voice_route
from pipecatapp.agent.web import APP, add_headers, check_host, report_store_faults
from pipecatapp.gateway.config import BODY_LIMIT
from pipecatapp.serving.exposure import Tls
from pipecatapp.serving.listening import open_listener, serve_metrics
from pipecatapp.serving.logs import log_to_stderr
from pipecatapp.tools.all_tools import make_toolbox

_DRAIN_S = 5.0
"""What open connections may take when the agent is asked to end; pages connect again by themselves."""


def web_app(agent: AgentApp) -> web.Application:
    """Return the application of an agent, which starts and ends with it."""
    app = web.Application(middlewares=[check_host, report_store_faults], client_max_size=BODY_LIMIT)
    app[APP] = agent
    app.on_response_prepare.append(add_headers)
    add_turn_route(app)
    add_socket_route(app)
    add_voice_route(app)
    add_page_routes(app)

    async def running(_app: web.Application) -> AsyncIterator[None]:
        await agent.start()
        try:
            yield
        finally:
            await agent.stop()

    app.cleanup_ctx.append(running)
    return app


def make_agent(config: AgentConfig) -> AgentApp:
    """Return an agent with the tools of its configuration, which has not started.

    Raises:
        InputError: the keys or the agent's file is wrong.
    """
    agent = AgentApp(config)
    if config.tools is not None:
        agent.toolbox = make_toolbox(config.tools, agent.rows)
    return agent


def serve(config: AgentConfig, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: as it was checked.
        say: gets a line for a person: where it serves, and which model answers.

    Raises:
        EnvironmentFault: an address or a file cannot be used.
        InputError: the keys, the agent's file or the certificate is wrong.
    """
    agent = make_agent(config)
    trust = _certificate(config.tls)
    with ExitStack() as opened:
        listener = opened.enter_context(open_listener(config.listen))
        if config.metrics is not None:
            opened.callback(serve_metrics(agent.metrics.registry, config.metrics))
        log_to_stderr(LOG, "aiohttp.server", "aiohttp.web", "asyncio", file=config.log_file)
        scheme = "https" if config.tls else "http"
        say(f"serving on {scheme}://{config.listen._replace(port=listener.getsockname()[1])}/")
        say(f"model: {agent.model_line()}")
        if config.voice is not None:
            say(f"voice: {agent.voice.problem or 'the page has a microphone'}")
        for warning in agent.warnings():
            say(f"warning: {warning}")
        asyncio.run(_run(agent, listener, trust))


async def _run(agent: AgentApp, listener: object, trust: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(web_app(agent), access_log=None, shutdown_timeout=_DRAIN_S, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.SockSite(runner, listener, ssl_context=trust)  # type: ignore[arg-type]
        await site.start()
        await stop.wait()
    finally:
        await runner.cleanup()


def _certificate(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as exc:
        raise InputError(Problem(f"{tls.cert}, {tls.key}: cannot be used as certificate and key: {exc}")) from exc
    return context
