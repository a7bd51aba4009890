"""Addresses in a message that a host does not reach: a download that fails there says nothing about the role."""

import ipaddress
import json
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from evolve.infra.hosts.host_limits import HostLimit
from evolve.infra.hosts.host_state import Answers

_NETWORK: Final = re.compile(
    r"name resolution|not resolve|resolve host|Name or service not known|No address associated|"
    r"Network is unreachable|No route to host|timed out|Connection refused|Connection reset|Failed to connect|"
    r"Could not connect|Unable to connect|unable to access|Failed to fetch|Tunnel connection failed|"
    r"urlopen error|ConnectionError|NewConnectionError|certificate verify failed",
    re.I,
)
"""How programs say that they did not reach a server."""

_URL: Final = re.compile(r"\b(?:https?|ftp|git|ssh)://[^\s'\"<>,)\]]+", re.I)
_HOST_WORD: Final = re.compile(
    r"(?:resolve host(?:name)?:?|host='|resolving|not resolve)[\s']*([\w.-]+\.[a-z]{2,})", re.I
)
_PORTS: Final = {"http": 80, "https": 443, "ftp": 21, "git": 9418, "ssh": 22}
_LOCAL: Final = (".local", ".localdomain", ".internal", ".lan", ".test", ".invalid", ".example", "localhost")
"""Names that are never on the internet: a role that needs them gets them from its scenario."""

_SCRIPT: Final = r"""
import json, socket
out = {}
for name, port in WANTED:
    try:
        socket.create_connection((name, port), timeout=5).close()
    except OSError as error:
        out["%s:%d" % (name, port)] = str(error)
print(json.dumps(out))
"""
_MAX_PLACES: Final = 8
"""How many addresses of one message are tried; each takes up to 5 s."""
_REMEDY: Final = "give the engine's containers a way to the internet, or set the role's variable to a mirror they reach"


def find_unreachable(host: Answers, text: str, *, inside: Collection[str] = ()) -> HostLimit | None:
    """Return the limit when a message is about a server outside that the host does not reach; None otherwise.

    Args:
        host: where to try the connection.
        text: the message.
        inside: names of hosts that are no servers outside, such as the scenario's own.
    """
    if not _NETWORK.search(text):
        return None
    wanted = sorted(place for place in _places(text) if place[0] not in inside)
    if not wanted:
        return None
    done = host.run("python3", "-", input=f"WANTED = {wanted[:_MAX_PLACES]!r}\n{_SCRIPT}")
    failed: dict[str, str] = json.loads(done.stdout)
    if not failed:
        return None
    where, why = next(iter(failed.items()))
    return HostLimit(f"hosts do not reach {where} ({why})", _REMEDY)


def _places(text: str) -> set[tuple[str, int]]:
    found = {(name, 443) for name in _HOST_WORD.findall(text)}
    for address in _URL.findall(text):
        try:
            parts = urlsplit(address.rstrip(".:;"))
            found.add((parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()]))
        except ValueError:  # no address after all
            continue
    return {(name.lower(), port) for name, port in found if _is_outside(name.lower())}


def _is_outside(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_global
    except ValueError:
        return "." in name and not name.endswith(_LOCAL)
