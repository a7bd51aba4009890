"""Decides which names of environment variables, headers and parameters are those of credentials."""

import re

_SECRET_NAME = re.compile(
    r"auth|key|token|secret|pass|cookie|credential|signature|^sig$|session|private", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Return whether a value with this name is a credential; in doubt True, because a leak cannot be undone."""
    return _SECRET_NAME.search(name) is not None
