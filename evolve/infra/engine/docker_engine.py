"""The Docker engine that hosts run on: found by trying the addresses where one may be."""

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.core.model.errors import DockerFault
from evolve.infra.engine.owner import watch
from evolve.system.cache_folder import given_cache_folder
from evolve.system.process_owner import Owner

if TYPE_CHECKING:
    import docker

USUAL_SOCKETS = ("/var/run/docker.sock",)
"""Where distributions' packages let Docker listen."""
OWN_FOLDER = Path("/var/lib/anneal/docker")
"""Where `./bootstrap.sh hosts` keeps its engine unless EVOLVE_CACHE_DIR names another place."""

ANSWER_TIMEOUT_S = 120
"""How long the engine may take for one answer; a commit or an import of an image is the slowest."""

PROBE_TIMEOUT_S = 10
"""How long one address may take to answer while an engine is searched for; a dead one must not hold up the others."""

FIND_HINT = (
    "./bootstrap.sh hosts, or python -m evolve.infra.prepare_hosts, starts one; or set DOCKER_HOST to one that runs"
)


def own_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of the engine that `./bootstrap.sh hosts` starts: socket, process file, images, log."""
    chosen = given_cache_folder(env)
    return chosen.absolute() / "docker" if chosen else OWN_FOLDER


def addresses(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return where an engine may answer, in the order in which they are tried; each once."""
    runtime = env.get("XDG_RUNTIME_DIR")
    sockets = [
        str(own_folder(env) / "docker.sock"),
        str(OWN_FOLDER / "docker.sock"),
        *([f"{runtime}/docker.sock"] if runtime else []),
        *USUAL_SOCKETS,
    ]
    given = env.get("DOCKER_HOST")
    return tuple(dict.fromkeys([*([given] if given else []), *(f"unix://{path}" for path in sockets)]))


@dataclass(slots=True)
class DockerEngine:
    """An engine that answered, and what it says about itself. One for a process; threads may share it."""

    client: "docker.DockerClient"
    url: str
    cgroup_version: int
    has_apparmor: bool
    passed_over: tuple[str, ...] = ()
    """Addresses that were tried before this one, each with the reason why it was not taken."""
    kept_images: set[str] = field(default_factory=set, repr=False)
    """Tags of images whose package lists are old and could not be fetched again in this process."""
    _watched: Owner | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def map_docker_faults(self, what: str, *, hint: str = "") -> Iterator[None]:
        """Turn an error of Docker into a `DockerFault` that says what was being done, and where."""
        with docker_faults(f"{what} on the Docker engine at {self.url}", hint=hint):
            yield

    def ignored_docker_host(self, env: Mapping[str, str]) -> str:
        """Return a warning for a user who set DOCKER_HOST and got this engine instead; empty when there is none."""
        given = env.get("DOCKER_HOST")
        lines = [line for line in self.passed_over if given and line.startswith(f"{given}: ")]
        return f"DOCKER_HOST was passed over: {lines[0]}" if lines else ""

    def owner(self) -> Owner:
        """Return this process as an owner; a reaper then removes what it owns at its end, also after `kill -9`."""
        with self._lock:
            if self._watched is None or self._watched.pid != os.getpid():
                owner = Owner.current()
                watch(owner, self.url)
                self._watched = owner
            return self._watched


@contextmanager
def docker_faults(what: str, *, hint: str = "") -> Iterator[None]:
    """Turn errors of the Docker SDK into `DockerFault`; nothing else in the package does."""
    import docker
    import requests

    try:
        yield
    except docker.errors.ImageNotFound as exc:
        raise DockerFault(f"{what}: {reason(exc)}", hint=hint or "build it: ./bootstrap.sh hosts") from exc
    except (docker.errors.DockerException, requests.exceptions.RequestException) as exc:
        raise DockerFault(f"{what}: {reason(exc)}", hint=hint) from exc


def reason(error: Exception) -> str:
    """Return the message of an error of the SDK, without the errors that wrap it."""
    text = str(getattr(error, "explanation", "") or error)
    cause = error.__cause__ or error.__context__
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    strerror = getattr(cause, "strerror", None)
    return str(strerror) if strerror and "Connection aborted" in text else text


def connect(url: str) -> DockerEngine:
    """Return the engine at this address.

    Raises:
        DockerFault: nothing answers there, or it may not be used; the message is the reason alone.
    """
    import docker
    import requests

    if why := _why_silent(url):
        raise DockerFault(why)
    try:
        client = docker.DockerClient(base_url=url, timeout=PROBE_TIMEOUT_S, **_tls(url))
    except (docker.errors.DockerException, ValueError) as exc:
        raise DockerFault(reason(exc)) from exc
    try:
        info = client.info()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as exc:
        client.close()
        raise DockerFault(reason(exc)) from exc
    client.api.timeout = ANSWER_TIMEOUT_S
    options = " ".join(info.get("SecurityOptions") or ())
    return DockerEngine(client, url, int(info.get("CgroupVersion") or 1), "name=apparmor" in options)


def _tls(url: str) -> dict[str, object]:
    """Return the certificates that DOCKER_CERT_PATH names, for an engine over the network."""
    import docker

    if not url.startswith("tcp://") or not os.environ.get("DOCKER_TLS_VERIFY"):
        return {}
    return {"tls": docker.utils.kwargs_from_env().get("tls", False)}


def _why_silent(url: str) -> str:
    """Return why no engine answers at a socket; empty when one may answer, or for an address that is no socket."""
    if not url.startswith("unix://"):
        return ""
    path = url.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return "no such socket"
        except PermissionError:
            return "this user may not use the socket (sudo usermod -aG docker USER, then log in again)"
        except OSError as exc:
            return f"{exc.strerror or exc}: no engine listens there"
    return ""


def find(env: Mapping[str, str] | None = None) -> DockerEngine:
    """Return the first engine that answers: DOCKER_HOST's, the one of `./bootstrap.sh hosts`, the usual one.

    Raises:
        DockerFault: none answers; says each address, why it failed, and what to type.
    """
    return first_of(addresses(os.environ if env is None else env))


def first_of(urls: Iterable[str]) -> DockerEngine:
    """Return the first engine of these that answers; it remembers why those before it did not.

    Raises:
        DockerFault: none answers; says each address, why it failed, and what to type.
    """
    failures: list[str] = []
    for url in urls:
        try:
            engine = connect(url)
        except DockerFault as fault:
            failures.append(f"{url}: {fault}")
        else:
            engine.passed_over = tuple(failures)
            return engine
    tried = "".join(f"\n  {failure}" for failure in failures)
    raise DockerFault(f"no Docker engine answers; tried{tried}\n", hint=FIND_HINT)
