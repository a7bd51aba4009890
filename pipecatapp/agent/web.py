"""The agent's HTTP: routes, the headers that keep a page honest, and who may come in."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from evolve.core.model.errors import StoreFault
from pipecatapp.agent.app import AgentApp
from pipecatapp.agent.memory import StoredLogin
from pipecatapp.agent.turns import LOG
from pipecatapp.serving.health_check import PATH as LIVE

APP: Final = web.AppKey("agent", AgentApp)
COOKIE: Final = "pipecatapp_session"
STATIC: Final = Path(__file__).parents[1] / "static"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries."""
    response.headers.update(_HEADERS)
    # Pages and their files may be kept, if the server is asked each time whether they are still the same.
    response.headers.setdefault("Cache-Control", "no-store" if _is_api(request.path) else "no-cache")


def _is_api(path: str) -> bool:
    return path.startswith(("/api/", "/v1/", "/health/", "/login", "/logout", "/ws"))


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request by a strange name: a hostile page can point its own name at this machine's loopback.

    Whether the agent lives is no secret, and Consul asks by an address.
    """
    agent = request.app[APP]
    allowed = {*agent.config.hosts, *(_LOOPBACK if agent.config.listen.is_loopback else ())}
    is_open = not agent.config.listen.is_loopback and not agent.config.hosts
    if not is_open and request.path != LIVE and _host_of(request) not in allowed:
        return refused(421, "unknown_host", "this name is not one of the agent's; set hosts in its configuration")
    return await handler(request)


@web.middleware
async def report_store_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request that the memory's file failed with a reason; the file's path is for the log."""
    try:
        return await handler(request)
    except StoreFault as fault:
        LOG.error("%s", fault)
        return refused(503, "memory_failed", "the memory's file cannot be used; the agent's log has the reason")


def _host_of(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def is_own_origin(request: web.Request, *, needed: bool) -> bool:
    """Return whether a request comes from the agent's own page.

    Args:
        request: of a browser, or of a program.
        needed: whether a request without an origin is refused: browsers send one with each websocket.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return not needed
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # Behind a proxy the host is the proxy's, and so is the origin.
    return parts.scheme in ("http", "https") and parts.netloc.lower() == request.host.lower()


def login_of(request: web.Request) -> StoredLogin | None:
    """Return the login of a request's cookie, as long as it is valid."""
    token = request.cookies.get(COOKIE, "")
    return request.app[APP].logins.find(token) if token else None


def key_name_of(request: web.Request) -> str | None:
    """Return whose request it is, by its cookie or by a key in `Authorization`; None for nobody's."""
    login = login_of(request)
    if login is not None:
        return login.key_name
    keys = request.app[APP].keys
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return keys.find(key) if keys.are_needed and scheme.lower() == "bearer" and key.strip() else None


def refused(status: int, code: str, message: str) -> web.Response:
    """Return an error, in the form that the gateway has too."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def without_login() -> web.Response:
    """Return the answer to a request of nobody."""
    return refused(401, "login_needed", "log in first: POST /login with a key")
