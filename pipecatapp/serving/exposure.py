"""Who can reach a server, and what has to protect it then."""

from typing import NamedTuple

from pipecatapp.serving.config_files import ConfigReader
from pipecatapp.serving.listening import Listen


class Tls(NamedTuple):
    """The files of the certificate."""

    cert: str
    key: str


class Exposure(NamedTuple):
    """Where a server listens, and what protects it."""

    listen: Listen
    has_keys: bool
    has_tls: bool
    """Its own."""
    has_proxy: bool
    """Whether a proxy in front ends TLS."""
    is_insecure: bool
    """Whether somebody allowed to serve beyond loopback without TLS."""

    @property
    def is_unencrypted(self) -> bool:
        """Whether keys and prompts leave this machine without TLS."""
        return not (self.listen.is_loopback or self.has_tls or self.has_proxy)


def read_tls(reader: ConfigReader) -> Tls | None:
    """Return the files of `tls`; None without it."""
    found = reader.value.get("tls")
    if not found:
        return None
    cert, key = (str(reader.existing("tls", name, path=found[name])) for name in ("cert", "key"))
    return Tls(cert, key)


def check_exposure(reader: ConfigReader, exposure: Exposure) -> None:
    """Report what a server beyond loopback lacks."""
    host = exposure.listen.host
    if not exposure.listen.is_loopback and not exposure.has_keys:
        hint = "set keys_file; moe-gateway key NAME makes a key"
        reader.report(f"{host} is not loopback, and there are no keys", "listen", hint=hint)
    if exposure.is_unencrypted and not exposure.is_insecure:
        text = f"{host} is not loopback, and keys and prompts would travel unencrypted"
        hint = "set tls, or proxy_in_front: true where a proxy ends TLS, or start with --insecure"
        reader.report(text, "listen", hint=hint)


def exposure_warnings(exposure: Exposure) -> list[str]:
    """Return what somebody should look at, although it is allowed."""
    found = []
    if exposure.is_insecure and exposure.is_unencrypted:
        found.append("serving beyond loopback without TLS (--insecure)")
    if exposure.has_proxy and not exposure.has_keys:
        # A proxy may ask for a certificate or a login of its own, so this is allowed.
        found.append("no keys: the proxy alone decides who may ask; set keys_file")
    return found
