"""Which addresses a page may be fetched from: public ones, and networks that the configuration allows."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipecatapp.core.ports import ToolReason
from pipecatapp.tools.config import Network
from pipecatapp.tools.registry import ToolProblem

Address: TypeAlias = IPv4Address | IPv6Address

_METADATA: Final = frozenset({ip_address("168.63.129.16"), ip_address("100.100.100.200"), ip_address("fd00:ec2::254")})
"""Where clouds answer their machines; the first is Azure's, and a public address."""
_SPECIAL: Final = tuple(
    ip_network(text)
    for text in ("192.0.0.0/24", "64:ff9b:1::/48", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10")
)
"""IANA's registries of special purposes, as far as `is_global` of some Python that we run on does not know them."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""


class RefusedAddress(OSError):
    """A name leads to an address that may not be reached."""


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address may be reached.

    Args:
        address: of the host, as it will be connected to.
        networks: that are allowed although they are not public.
    """
    inner = _inner(address)
    if any(one in network for one in (address, inner) for network in networks if one.version == network.version):
        return True
    return not {address, inner} & _METADATA and _is_public(inner)


def _is_public(address: Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or any(address in network for network in _SPECIAL)
    return address.is_global and not is_special


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds; the address itself without one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def check_url(text: str, networks: Iterable[Network]) -> URL:
    """Return a URL after checking what can be seen of it without a name server.

    The host is taken as the HTTP client will: it makes ASCII digits of fullwidth ones, and the system reads 127.1
    as 127.0.0.1.

    Args:
        text: of the URL.
        networks: that are allowed although they are not public.

    Raises:
        ToolProblem: it is no web address, has a login, or names an address that may not be reached.
    """
    try:
        url = URL(text)
        host, scheme = url.raw_host or "", url.scheme
    except ValueError:
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, "this is no valid URL") from None
    if scheme not in ("http", "https") or not host:
        raise ToolProblem(ToolReason.REFUSED, "only http:// and https:// addresses are fetched")
    if url.raw_user is not None or url.raw_password is not None:
        raise ToolProblem(ToolReason.REFUSED, "an address with a login in it is not fetched")
    if _is_literal(host) and not _is_allowed_literal(host, networks):
        raise refused(host)
    return url


def _is_literal(host: str) -> bool:
    """Return whether the client connects without asking a name server, shortened forms of addresses included."""
    return ":" in host or host.replace(".", "").isdigit()


def _is_allowed_literal(host: str, networks: Iterable[Network]) -> bool:
    try:
        return is_allowed(ip_address(host), networks)
    except ValueError:
        return False


def refused(host: str) -> ToolProblem:
    """Return the problem of a host that may not be reached."""
    message = f"{host} is not a public address; tools.web_browser.allow_private can allow its network"
    return ToolProblem(ToolReason.REFUSED, message)


@dataclass(frozen=True)
class AllowedAddresses(AbstractResolver):
    """Resolves names, and refuses those of which any address may not be reached.

    The connection is made to the addresses that were checked here, so that a second answer of a name server cannot
    lead elsewhere.
    """

    networks: tuple[Network, ...]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raise RefusedAddress where one is not allowed."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        results = [_result(host, one) for one in found]
        if not all(is_allowed(ip_address(one["host"]), self.networks) for one in results):
            raise RefusedAddress(host)
        return results

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, found: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = found
    # An address of a link has the link's name after a `%`.
    plain = str(address[0]).partition("%")[0]
    return ResolveResult(
        hostname=host, host=plain, port=address[1], family=family, proto=proto, flags=socket.AI_NUMERICHOST
    )
