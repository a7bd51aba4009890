"""Keeps credentials out of messages."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from evolve.core.text.secret_names import is_secret_name

_KEY_SHAPES = re.compile(r"\b(sk-|gsk_|ghp_|hf_|xox[bap]-|AKIA)[\w*\-]{6,}|(?i:bearer\s+)[\w.\-+/=]{8,}")
"""Keys of OpenAI, Groq, GitHub, Hugging Face, Slack and AWS, and bearer tokens: endpoints repeat them in errors."""
_HIDDEN = "***"
_SHORTEST_SECRET = 8
"""Characters. Shorter values are words such as `true` or `none`, which would be masked in every message."""


def secret_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of headers that carry credentials, whole and without their scheme (`Bearer`)."""
    # Values of up to three characters would mask parts of ordinary words.
    values = [value for name, value in headers.items() if is_secret_name(name)]
    return tuple(dict.fromkeys(part for value in values for part in (value, value.split(" ")[-1]) if len(part) > 3))


def secret_values(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of environment variables that carry credentials, longest first, without short ones."""
    values = {value for name, value in env.items() if is_secret_name(name) and len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(values, key=len, reverse=True))


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without the given secrets and without anything shaped like an API key."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return _KEY_SHAPES.sub(_HIDDEN, text)


def safe_url(url: str) -> str:
    """Return the URL as messages may show it: no user, no password, no values of secret query parameters."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        netloc = f"[{host}]" if ":" in host else host
        if parts.port:
            netloc += f":{parts.port}"
    except ValueError:
        return _HIDDEN
    query = "&".join(_safe_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _safe_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={_HIDDEN}" if equals and is_secret_name(name) else pair
