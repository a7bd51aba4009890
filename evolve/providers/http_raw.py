"""Parses a whole HTTP request that is written as text (`config.request`)."""

from urllib.parse import quote

from evolve.core.model.errors import CannotEvaluate
from evolve.system.http_client import HttpCall


def parse_raw_request(text: str, scheme: str) -> HttpCall:
    """Return the call for a text such as `POST /chat HTTP/1.1`, headers, blank line, body.

    Raises:
        CannotEvaluate: no request line, a line that is not a header, or no Host.
    """
    head, _, body = text.replace("\r\n", "\n").strip().partition("\n\n")
    first, *lines = head.split("\n")
    parts = first.split()
    if len(parts) < 2 or not parts[0].isalpha():
        raise CannotEvaluate(f"the raw request begins with {first[:80]!r}: expected METHOD PATH HTTP/1.1")
    method, target = parts[0].upper(), " ".join(parts[1:-1] if parts[-1].upper().startswith("HTTP/") else parts[1:])
    headers = _headers(lines)
    host = headers.pop("host", "")
    headers.pop("content-length", None)
    url = quote(target, safe="/:?#[]@!$&'()*+,;=%~-._")
    if not target.startswith(("http://", "https://")):
        if not host:
            raise CannotEvaluate("the raw request has no Host header, so its address is unknown")
        url = f"{scheme}://{host}{url}"
    body = body.strip()
    return HttpCall(method, url, headers, body.encode() if body else None)


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise CannotEvaluate(f"the raw request has the line {line[:80]!r}: expected NAME: VALUE")
        headers[name.strip().lower()] = value.strip()
    return headers
