"""Which names of environment variables, headers and parameters stand for a credential."""

import re

_SECRET_NAME = re.compile(
    r"auth|key|token|secret|pass|cookie|credential|signature|^sig$|session|private", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is a credential; rather too often than not."""
    return _SECRET_NAME.search(name) is not None
