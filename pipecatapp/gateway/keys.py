"""Keys of the API: a file of `NAME: SHA-256`, read again when it changes."""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from evolve.core.model.errors import InputError, Location, Problem
from pipecatapp.gateway.config import ANONYMOUS
from pipecatapp.wire.openai import ApiError

PREFIX: Final = "sk-anneal-"
"""What a key begins with, so that searches for secrets find it."""
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):\s*([0-9a-f]{64})")
_LOOK_EVERY_S: Final = 1.0
"""How often the file's state is looked at: a removed key works for so long at most."""


class NewKey(NamedTuple):
    """A key, which is shown once, and the line that lets the gateway know it."""

    key: str
    line: str

    def for_people(self) -> str:
        """Return both with what they are for."""
        return f"the key, which is not stored anywhere: {self.key}\nfor the file of keys:                  {self.line}"


def make_key(name: str) -> NewKey:
    """Return a new key of 256 bits.

    Raises:
        InputError: the name does not fit into the file of keys.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    line = f"{name}: {hash_of(key)}"
    if not _LINE.fullmatch(line):
        raise InputError(
            Problem(f"{name!r} is no name of a key", None, "letters, digits, '.', '_' and '-'; at most 64")
        )
    return NewKey(key, line)


def hash_of(key: str) -> str:
    """Return a key's SHA-256, in hex. A key has 256 random bits, so that no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(path: Path) -> Mapping[str, str]:
    """Return the hashes of a file by the names of their keys.

    Raises:
        InputError: every line that is wrong, without its content.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(Problem(f"{path}: cannot be read: {getattr(exc, 'strerror', None) or exc}")) from exc
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            problems.append(Problem("expected NAME: SHA-256 in hex", Location(str(path), number), _HINT))
        elif match[1] in found:
            problems.append(Problem(f"the name {match[1]} occurs twice", Location(str(path), number)))
        else:
            found[match[1]] = match[2]
    if problems:
        raise InputError(problems)
    return found


_HINT: Final = "moe-gateway key NAME prints such a line"


class Keys:
    """The keys that are known now."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the keys.

        Args:
            path: of the file; None for a gateway without keys.
            clock: seconds that never go back.

        Raises:
            InputError: the file is wrong.
        """
        self._path = path
        self._clock = clock
        self._state = self._file_state()
        self._looked_at = clock()
        self._hashes = read_keys(path) if path else {}
        self.problem = ""
        """Why the file's last change was not taken over; the keys before it stay valid."""

    def name_of(self, authorization: str) -> str:
        """Return the name of the key that a request carries.

        Args:
            authorization: the header's value; empty without one.

        Raises:
            ApiError: 401, there is none or it is unknown.
        """
        if self._path is None:
            return ANONYMOUS
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _refused("no API key in the header `Authorization: Bearer KEY`")
        name = self.find(key)
        if name is None:
            raise _refused("unknown API key")
        return name

    @property
    def are_needed(self) -> bool:
        """Whether a request needs a key."""
        return self._path is not None

    def find(self, key: str) -> str | None:
        """Return the name of a key; None where it is unknown."""
        self._reload()
        given = hash_of(key.strip())
        # All of them, always: how long it takes says nothing about which one is near.
        names = [name for name, known in self._hashes.items() if hmac.compare_digest(known, given)]
        return names[0] if names else None

    def has(self, name: str) -> bool:
        """Return whether a key of this name is valid now."""
        self._reload()
        return name in self._hashes if self._path is not None else name == ANONYMOUS

    def _reload(self) -> None:
        now = self._clock()
        if self._path is None or now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        state = self._file_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._hashes, self.problem = read_keys(self._path), ""
        except InputError as error:
            self.problem = str(error)

    def _file_state(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path) if self._path else None
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else ()


def _refused(message: str) -> ApiError:
    return ApiError(
        401, message, code="invalid_api_key", type="authentication_error", headers={"www-authenticate": "Bearer"}
    )
