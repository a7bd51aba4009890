"""Files from the web that suites name: fetched once, with a limit of time and size.

Python's own `urllib` does it: suites are read without an event loop, and one plain request needs no more.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

from evolve.core.model.errors import InputError, Problem

MAX_BYTES: Final = 8 * 1024 * 1024
"""The largest file that is fetched, as for files on disk."""
_SOCKET_S: Final = 20.0
"""Seconds without any data before a server counts as silent."""
_TOTAL_S: Final = 60.0
"""Seconds for one whole file: a slow server must not hold up loading for ever."""
_CHUNK_BYTES: Final = 64 * 1024
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))


def fetch_text(url: str, headers: Mapping[str, str] | None = None) -> str:
    """Return the text behind an address, without a byte order mark.

    Args:
        url: `https://...`; `http://` only on this machine.
        headers: of the request.

    Raises:
        InputError: the server does not answer with a success, or the text is too large, too slow, or not UTF-8.
    """
    _check_address(url)
    request = urllib.request.Request(url, headers={"User-Agent": "anneal", **(headers or {})})
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=_SOCKET_S) as reply:
            data = _read(reply, url)
    except urllib.error.HTTPError as error:
        with error:
            raise FetchError(url, f"HTTP {error.code}", error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise FetchError(url, str(reason) or type(error).__name__) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FetchError(url, "it is not UTF-8") from None


class FetchError(InputError):
    """A file could not be fetched."""

    def __init__(self, url: str, reason: str, status: int | None = None) -> None:
        self.status = status
        """The server's status, where it answered with one."""
        super().__init__(Problem(f"cannot fetch {url}: {reason}", hint="or save it as a file"))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that could be named too, and sends no key to another host."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # urllib has no types for it
        _check_address(newurl)
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            made.remove_header("Authorization")
        return made


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_fine = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise FetchError(url, "expected an address with https://")


def _read(reply: HTTPResponse, url: str) -> bytes:
    end_s = time.monotonic() + _TOTAL_S
    data = bytearray()
    while chunk := reply.read1(_CHUNK_BYTES):
        data += chunk
        if len(data) > MAX_BYTES:
            raise FetchError(url, f"it is larger than {MAX_BYTES / 1e6:.1f} MB")
        if time.monotonic() > end_s:
            raise FetchError(url, f"it took longer than {_TOTAL_S:g} s")
    return bytes(data)
