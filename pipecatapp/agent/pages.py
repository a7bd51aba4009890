"""Routes of the page: its files, the health check, the login, the table of components, and the memory."""

import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from evolve.core.formats.dataclass_json import plain_value
from evolve.core.model.errors import InputError
from pipecatapp.agent.logins import LASTS_S
from pipecatapp.agent.memory import Memory, read_export
from pipecatapp.agent.web import (
    APP,
    COOKIE,
    STATIC,
    is_own_origin,
    key_name_of,
    login_of,
    refused,
    without_login,
)
from pipecatapp.serving.health_check import PATH as LIVE
from pipecatapp.wire.agent_events import VERSION

_MemoryWork = Callable[[web.Request, Memory, str], Awaitable[web.Response]]
_LONGEST_KEY: Final = 1024


def add_page_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get(LIVE, show_life)
    app.router.add_get("/api/session", show_session)
    app.router.add_post("/login", log_in)
    app.router.add_post("/logout", log_out)
    app.router.add_get("/api/status", show_status)
    app.router.add_get("/api/memory/search", search)
    app.router.add_get("/api/memory", export)
    app.router.add_post("/api/memory", take_export)
    app.router.add_delete("/api/memory", forget)
    app.router.add_get("/", show_page)
    if STATIC.is_dir():
        app.router.add_static("/", STATIC)


async def show_page(_request: web.Request) -> web.StreamResponse:
    """Return the page."""
    page = STATIC / "index.html"
    return web.FileResponse(page) if page.is_file() else refused(404, "not_found", "no page is installed")


async def show_life(_request: web.Request) -> web.Response:
    """Say that the agent answers; whether its model does is in the table of components."""
    return web.json_response({"alive": True})


async def show_session(request: web.Request) -> web.Response:
    """Say whether a key is needed, and whether this browser is logged in."""
    login = login_of(request)
    needs_key = request.app[APP].keys.are_needed
    return web.json_response({"needs_key": needs_key, "session": login.session if login else None})


async def log_in(request: web.Request) -> web.Response:
    """Give a browser that has a key a cookie."""
    if not is_own_origin(request, needed=False):
        return refused(403, "foreign_origin", "a login comes from the agent's own page")
    key = await _key_of(request)
    if key is None:
        return refused(400, "bad_request", 'expected JSON: {"key": "..."}')
    agent = request.app[APP]
    token = await agent.logins.log_in(key)
    if token is None:
        return refused(401, "invalid_api_key", "unknown key")
    response = web.Response(status=204)
    # Strict: no page of others can make a browser send it.
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LASTS_S),
        httponly=True,
        samesite="Strict",
        secure=agent.config.exposure.has_tls,
        path="/",
    )
    return response


async def _key_of(request: web.Request) -> str | None:
    # JSON only: a form of another page cannot send that without being asked for permission first.
    if request.content_type != "application/json" or (request.content_length or 0) > _LONGEST_KEY:
        return None
    try:
        value = json.loads(await request.content.read(_LONGEST_KEY + 1))
    except (ValueError, RecursionError):
        return None
    key = value.get("key") if isinstance(value, dict) else None
    return key if isinstance(key, str) and len(key) <= _LONGEST_KEY else None


async def log_out(request: web.Request) -> web.Response:
    """End the browser's login."""
    if not is_own_origin(request, needed=False):
        return refused(403, "foreign_origin", "a logout comes from the agent's own page")
    token = request.cookies.get(COOKIE, "")
    if token:
        await request.app[APP].logins.log_out(token)
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path="/")
    return response


async def show_status(request: web.Request) -> web.Response:
    """Return the table of components."""
    if key_name_of(request) is None:
        return without_login()
    rows = await request.app[APP].board.rows()
    return web.json_response({"v": VERSION, "rows": plain_value(rows)})


async def search(request: web.Request) -> web.Response:
    """Return what the key's people and the agent said, by words."""
    return await _with_memory(request, _search)


async def export(request: web.Request) -> web.Response:
    """Return all that was said in sessions of the key, as lines of JSON."""
    return await _with_memory(request, _export)


async def take_export(request: web.Request) -> web.Response:
    """Keep what an export has."""
    return await _with_memory(request, _take)


async def forget(request: web.Request) -> web.Response:
    """Delete all that was said in sessions of the key."""
    return await _with_memory(request, _forget)


async def _search(request: web.Request, memory: Memory, name: str) -> web.Response:
    found = await memory.search(name, request.query.get("q", ""))
    return web.json_response({"v": VERSION, "entries": plain_value(found)})


async def _export(_request: web.Request, memory: Memory, name: str) -> web.Response:
    headers = {"content-disposition": 'attachment; filename="memory.jsonl"'}
    return web.Response(text=await memory.export(name), content_type="application/x-ndjson", headers=headers)


async def _take(request: web.Request, memory: Memory, name: str) -> web.Response:
    try:
        entries = read_export((await request.read()).decode(), "export")
    except UnicodeDecodeError:
        return refused(400, "bad_export", "expected UTF-8 text")
    except InputError as error:
        return refused(400, "bad_export", "; ".join(str(problem) for problem in error.problems[:3]))
    return web.json_response({"v": VERSION, "added": await memory.add(name, entries)})


async def _forget(request: web.Request, memory: Memory, name: str) -> web.Response:
    request.app[APP].service.forget(name)
    await memory.forget(name)
    return web.Response(status=204)


async def _with_memory(request: web.Request, work: _MemoryWork) -> web.Response:
    if not is_own_origin(request, needed=False):
        return refused(403, "foreign_origin", "the memory is for the agent's own page")
    name, memory = key_name_of(request), request.app[APP].memory
    if name is None:
        return without_login()
    if memory is None:
        return refused(404, "no_memory", "the agent keeps no memory; set memory in its configuration")
    return await work(request, memory, name)
