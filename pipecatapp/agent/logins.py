"""Which browser is which session: a cookie with a random token, of which only the hash is kept."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from evolve.core.model.errors import StoreFault
from pipecatapp.agent.memory import StoredLogin
from pipecatapp.agent.turns import LOG
from pipecatapp.gateway.keys import Keys

LASTS_S: Final = 30 * 24 * 3600.0
"""How long a browser stays logged in."""
_MOST: Final = 10_000
"""Logins at one time; the oldest one goes then."""


class LoginStore(Protocol):
    """Keeps logins over restarts; see `Memory`."""

    async def keep_login(self, login: StoredLogin) -> None:
        """Keep a login."""
        ...

    async def drop_login(self, token_hash: str) -> None:
        """Forget a login."""
        ...

    async def logins(self, now: float) -> list[StoredLogin]:
        """Return the logins that are valid."""
        ...


class Logins:
    """The browsers that are logged in now."""

    def __init__(self, keys: Keys, store: LoginStore | None, wall: Callable[[], float]) -> None:
        """Make a list without any.

        Args:
            keys: that are valid; a login ends with its key.
            store: None to forget all at the end.
            wall: seconds since 1970.
        """
        self._keys, self._store, self._wall = keys, store, wall
        self._known: dict[str, StoredLogin] = {}

    async def load(self) -> None:
        """Take over the logins from before a restart."""
        if self._store is not None:
            self._known = {one.token_hash: one for one in await self._store.logins(self._wall())}

    async def log_in(self, key: str) -> str | None:
        """Return the token for a browser that gave a key; None where the key is unknown.

        Args:
            key: any text where no key is needed.
        """
        name = self._keys.find(key) if self._keys.are_needed else self._keys.name_of("")
        if name is None:
            return None
        token = secrets.token_urlsafe(32)
        login = StoredLogin(_hash(token), secrets.token_hex(16), name, self._wall() + LASTS_S)
        self._known[login.token_hash] = login
        if len(self._known) > _MOST:
            await self._drop(min(self._known.values(), key=lambda one: one.expires).token_hash)
        if self._store is not None:
            try:
                await self._store.keep_login(login)
            except StoreFault as fault:  # it lasts until the agent ends
                LOG.error("%s", fault)
        return token

    def find(self, token: str) -> StoredLogin | None:
        """Return the login of a token, as long as its key is valid."""
        # Looked up by a hash of 256 random bits: how long it takes says nothing about the token.
        login = self._known.get(_hash(token))
        is_valid = login is not None and login.expires > self._wall() and self._keys.has(login.key_name)
        return login if is_valid else None

    async def log_out(self, token: str) -> None:
        """End a login."""
        await self._drop(_hash(token))

    async def _drop(self, token_hash: str) -> None:
        self._known.pop(token_hash, None)
        if self._store is not None:
            await self._store.drop_login(token_hash)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
