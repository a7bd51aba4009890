"""Limits of each key: requests in a minute, and at one time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipecatapp.gateway.config import Access
from pipecatapp.wire.openai import ApiError

_ROUNDING: Final = 1e-6
"""Of a request: many additions of parts of one may miss the whole by a hair, and a client that waited as long as it was
asked to must get in."""


@dataclass(slots=True)
class _Used:
    left: float
    """Requests that may be made at once."""
    at: float
    in_flight: int = 0


class Limits:
    """What each key has used of its limits."""

    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}

    def enter(self, name: str, access: Access, now: float) -> dict[str, str]:
        """Count a request, and return the headers that tell the client what is left; `leave` ends it.

        Args:
            name: of the key.
            access: its limits.
            now: seconds of a clock that never goes back.

        Raises:
            ApiError: 429, one of the limits is reached; the request is not counted.
        """
        used = self._refilled(name, access, now)
        if used.in_flight >= access.concurrent:
            raise _too_many(
                f"{access.concurrent} requests of this key are running, its limit",
                "concurrency_limit_exceeded",
                1,
                _headers(used, access),
            )
        if used.left < 1 - _ROUNDING:
            wait_s = math.ceil((1 - used.left) * 60 / access.requests_per_minute - _ROUNDING)
            raise _too_many(
                f"{access.requests_per_minute} requests in a minute, the limit of this key",
                "rate_limit_exceeded",
                max(1, wait_s),
                _headers(used, access),
            )
        used.left -= 1
        used.in_flight += 1
        return _headers(used, access)

    def leave(self, name: str) -> None:
        """Count a request as ended."""
        self._used[name].in_flight -= 1

    def _refilled(self, name: str, access: Access, now: float) -> _Used:
        used = self._used.setdefault(name, _Used(access.requests_per_minute, now))
        gained = (now - used.at) * access.requests_per_minute / 60
        used.left, used.at = min(access.requests_per_minute, used.left + gained), now
        return used


def _headers(used: _Used, access: Access) -> dict[str, str]:
    full_in_s = (access.requests_per_minute - used.left) * 60 / access.requests_per_minute
    return {
        "x-ratelimit-limit-requests": str(access.requests_per_minute),
        "x-ratelimit-remaining-requests": str(max(0, math.floor(used.left + _ROUNDING))),
        "x-ratelimit-reset-requests": f"{full_in_s:.3f}s",
    }


def _too_many(message: str, code: str, retry_after_s: int, headers: Mapping[str, str]) -> ApiError:
    return ApiError(
        429, message, code=code, type="rate_limit_error", headers={"retry-after": str(retry_after_s), **headers}
    )
