"""Where a cluster is and who asks: URL, token, namespace, certificates. A token never shows in a repr."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from evolve.core.model.errors import InputError, Problem
from evolve.system.credentials import safe_url


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """One agent of Nomad or Consul, and the identity that asks it."""

    url: str
    """`http://host:port`, without a path."""
    token: str = field(default="", repr=False)
    namespace: str = ""
    """Empty for the one of the token or the API's default."""
    ca_file: str = ""
    """A PEM file with the authorities that are trusted instead of the system's."""
    client_cert: str = ""
    client_key: str = field(default="", repr=False)

    def trust(self) -> ssl.SSLContext | None:
        """Return what certificates are checked with; None for plain HTTP. There is no way to switch the check off.

        Raises:
            InputError: a file is missing, or is no certificate or key.
        """
        if not self.url.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.client_cert:
                context.load_cert_chain(self.client_cert, self.client_key or None)
        except (OSError, ssl.SSLError) as exc:
            files = ", ".join(name for name in (self.ca_file, self.client_cert, self.client_key) if name)
            raise InputError(
                Problem(f"{files}: cannot be used as certificates and key: {exc.strerror or exc}")
            ) from exc
        return context


def nomad_address(env: Mapping[str, str]) -> ClusterAddress | None:
    """Return the agent that `NOMAD_ADDR` names, with Nomad's own variables for the rest; None where it is not set."""
    if not env.get("NOMAD_ADDR"):
        return None
    return ClusterAddress(
        _url("NOMAD_ADDR", env["NOMAD_ADDR"], 4646),
        env.get("NOMAD_TOKEN", ""),
        env.get("NOMAD_NAMESPACE", ""),
        env.get("NOMAD_CACERT", ""),
        env.get("NOMAD_CLIENT_CERT", ""),
        env.get("NOMAD_CLIENT_KEY", ""),
    )


def consul_address(env: Mapping[str, str]) -> ClusterAddress | None:
    """Return the agent that `CONSUL_HTTP_ADDR` names, with Consul's own variables; None where it is not set."""
    if not (given := env.get("CONSUL_HTTP_ADDR")):
        return None
    is_tls = env.get("CONSUL_HTTP_SSL", "").lower() in ("1", "true")
    return ClusterAddress(
        _url("CONSUL_HTTP_ADDR", given if "://" in given or not is_tls else f"https://{given}", 8500),
        env.get("CONSUL_HTTP_TOKEN", ""),
        "",
        env.get("CONSUL_CACERT", ""),
        env.get("CONSUL_CLIENT_CERT", ""),
        env.get("CONSUL_CLIENT_KEY", ""),
    )


def _url(variable: str, given: str, default_port: int) -> str:
    """Return scheme, host and port. A login in the URL is refused: it would travel in places where a token does not."""
    text = given if "://" in given else f"http://{given}"
    try:
        parts = urlsplit(text)
        port = parts.port or default_port
    except ValueError as exc:
        raise InputError(Problem(f"{variable} is not a URL: {exc}")) from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(Problem(f"{variable}={safe_url(text)!r}: expected http://HOST:PORT or https://HOST:PORT"))
    if parts.username or parts.password or parts.query:
        raise InputError(Problem(f"{variable} carries a login or a query: give the token in its own variable"))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, f"{host}:{port}", "", "", ""))
