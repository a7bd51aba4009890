"""Fetches one page within limits: addresses are checked before each step, and only readable types are read."""

from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from pipecatapp.core.ports import ToolReason
from pipecatapp.tools.config import WebConfig
from pipecatapp.tools.registry import ToolProblem
from pipecatapp.tools.web_addresses import AllowedAddresses, RefusedAddress, check_url, refused

_MAX_STEPS: Final = 6
"""A page and five redirects before it."""
_MAX_URL: Final = 4096
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_READABLE: Final = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/yaml")
_ACCEPT: Final = "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.8, */*;q=0.1"


class Page(NamedTuple):
    """What an address answered."""

    url: str
    """Where the page was, after redirects."""
    content_type: str
    text: str
    is_cut: bool


async def fetch_page(url: str, config: WebConfig) -> Page:
    """Return the page of an address.

    Raises:
        ToolProblem: it is refused, of a type that is not read, or could not be fetched.
    """
    connector = aiohttp.TCPConnector(resolver=AllowedAddresses(config.allow_private), use_dns_cache=False, limit=2)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would resolve names itself
        headers={"User-Agent": "anneal", "Accept": _ACCEPT},
    ) as session:
        for _ in range(_MAX_STEPS):
            found = await _step(session, url, config)
            if isinstance(found, Page):
                return found
            url = found
    raise ToolProblem(ToolReason.FAILED, f"more than {_MAX_STEPS - 1} redirects")


async def _step(session: aiohttp.ClientSession, text: str, config: WebConfig) -> Page | str:
    """Return the page, or where a redirect leads."""
    if len(text) > _MAX_URL:
        raise ToolProblem(ToolReason.REFUSED, f"the address has more than {_MAX_URL} characters")
    url = check_url(text, config.allow_private)
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status in _REDIRECTS and "Location" in response.headers:
                return str(url.join(URL(response.headers["Location"])))
            return await _read(response, str(url), config.max_bytes)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _problem(error, url.host or "") from error


async def _read(response: aiohttp.ClientResponse, url: str, limit: int) -> Page:
    content_type = response.content_type
    if not content_type.startswith(_READABLE) and not content_type.endswith(("+json", "+xml")):
        raise ToolProblem(ToolReason.REFUSED, f"expected a page of text, got {content_type[:80]}")
    if response.status >= 400:
        raise ToolProblem(ToolReason.FAILED, f"the server answered {response.status} {(response.reason or '')[:80]}")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            break
    return Page(url, content_type, _decoded(bytes(content[:limit]), response.charset), len(content) > limit)


def _decoded(content: bytes, encoding: str | None) -> str:
    from resiliparse.parse.encoding import map_encoding_to_html5

    # Browsers' encodings alone: Python has others, such as punycode, that take minutes for a page made for it.
    return content.decode(map_encoding_to_html5(encoding or "utf-8") or "utf-8", "replace")


def _problem(error: Exception, host: str) -> ToolProblem:
    causes = (error, getattr(error, "os_error", None), error.__cause__)
    if any(isinstance(cause, RefusedAddress) for cause in causes):
        return refused(host)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ToolProblem(ToolReason.FAILED, f"there is no host {host}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ToolProblem(ToolReason.FAILED, f"{host} has no certificate that this machine trusts")
    return ToolProblem(ToolReason.FAILED, f"{host} could not be read: {type(error).__name__}")
