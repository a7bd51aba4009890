"""Labs of systemd hosts: networks, hosts, saved hosts, and a teardown that also runs after a crash."""

import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from evolve.core.model.errors import DockerFault, InputError, Problem
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.engine.owner import LABEL_LAB, LABEL_OWNER, labels_of
from evolve.infra.engine.removal import label_values, remove_labelled
from evolve.infra.engine.scratch import sweep_folders
from evolve.infra.hosts.host import Host
from evolve.infra.hosts.host_commands import Completed
from evolve.infra.image import base_image
from evolve.infra.image.base_recipe import DEFAULT_RELEASE
from evolve.system.process_owner import Life, Owner

__all__ = ["Completed", "Host", "Lab", "Sweep", "sweep"]

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
"""A host name, also as part of the container's; 42 characters are well below the 63 of a label (RFC 1035)."""

BASE_TMPFS = ("/run", "/run/lock", "/tmp:exec")
"""Programs may run from /tmp, as on a real machine; Docker's default forbids it."""

STOP_SIGNAL = "SIGRTMIN+3"
"""systemd's signal for an orderly halt."""

CGROUPS = "/sys/fs/cgroup"
BOOT_V2 = ["/bin/sh", "-c", f"mount -o remount,rw {CGROUPS} && exec /lib/systemd/systemd"]
"""With cgroup v2 a private namespace holds only the host's own tree, but Docker mounts it read-only."""


class Lab:
    """Hosts, networks, volumes and images for one purpose; closing the lab removes all of them.

    They are also removed after the process was killed: a reaper waits for that (`owner.watch`).
    """

    def __init__(self, engine: DockerEngine, *, label: str = "lab") -> None:
        _check_name("label", label)
        self.engine = engine
        self.key = f"{label}-{secrets.token_hex(4)}"
        self._labels = labels_of(engine.owner(), self.key)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def network(self, name: str) -> str:
        """Return the engine's name for the lab's network `name`, made at first use; its hosts know each other."""
        full = self._full(name)
        with self.engine.map_docker_faults(
            f"make network {full}", hint="too many networks? ./bootstrap.sh hosts sweep"
        ):
            if not self.engine.client.networks.list(names=[full]):
                self.engine.client.networks.create(full, driver="bridge", labels=self._labels)
        return full

    def volume(self, name: str) -> str:
        """Return the engine's name for the lab's volume `name`, which is made at first use."""
        full = self._full(name)
        with self.engine.map_docker_faults(f"make volume {full}"):
            self.engine.client.volumes.create(full, labels=self._labels)
        return full

    def start(
        self,
        name: str,
        *,
        release: str = DEFAULT_RELEASE,
        image: str | None = None,
        network: str | None = None,
        tmpfs: Sequence[str] = (),
        volumes: Sequence[str] = (),
        capabilities: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        memory: str | None = None,
        privileged: bool = False,
    ) -> Host:
        """Start a host, and return it when it has booted.

        Args:
            name: its host name, and what others in `network` call it; unique in the lab.
            release: the distribution's release, for the base image.
            image: an image instead of the release's, such as one of `save`.
            network: a name that `network()` returned; None is the engine's own bridge, where hosts have no names.
            tmpfs: more mounts in memory, `PATH` or `PATH:OPTIONS` (`/data:size=1m`); one of /run or /tmp replaces ours.
            volumes: `SOURCE:PATH[:ro]`; a source without a slash is a volume of the lab.
            capabilities: added to what systemd needs.
            environment: of the host's first process, and of commands run on the host.
            memory: a limit such as `512m`.
            privileged: for containers inside the host, where the engine allows that.
        """
        chosen = image or base_image.ensure(self.engine, release)
        options = self._boot_options(tmpfs, volumes, capabilities)
        if privileged:
            options["privileged"] = True
        with self.engine.map_docker_faults(f"start host {name} from {chosen}"):
            container = self.engine.client.containers.create(
                chosen,
                name=self._full(name),
                hostname=name,
                labels=self._labels,
                environment=dict(environment or {}),
                mem_limit=memory,
                stop_signal=STOP_SIGNAL,
                **self._place(name, network),
                **options,
            )
        host = Host(self.engine, container, name, release)
        host.start_again()
        return host

    def save(self, host: Host) -> str:
        """Return an image of a prepared host, for further hosts of this lab; the host is restarted for it."""
        repository, tag = "anneal-saved", self._full(f"{host.name}-{secrets.token_hex(3)}")
        host.stop()
        host.commit(repository, tag)
        host.start_again()
        return f"{repository}:{tag}"

    def close(self) -> None:
        """Remove everything that the lab made.

        Raises:
            DockerFault: something could not be removed; says what and why.
        """
        with self.engine.map_docker_faults(f"remove lab {self.key}"):
            removal = remove_labelled(self.engine.client, f"{LABEL_LAB}={self.key}")
        if removal.problems:
            raise DockerFault(
                f"lab {self.key} left behind: " + "; ".join(removal.problems), hint="./bootstrap.sh hosts sweep"
            )

    def _full(self, name: str) -> str:
        _check_name("name", name)
        return f"anneal-{self.key}-{name}"

    def _place(self, name: str, network: str | None) -> dict[str, Any]:
        if network is None:
            return {}
        endpoint = self.engine.client.api.create_endpoint_config(aliases=[name])
        return {"network": network, "networking_config": {network: endpoint}}

    def _boot_options(
        self, tmpfs: Sequence[str], volumes: Sequence[str], capabilities: Sequence[str]
    ) -> dict[str, Any]:
        """Return the options that systemd needs on this engine's kind of cgroups, with the caller's own."""
        mounts = dict(entry.partition(":")[::2] for entry in (*BASE_TMPFS, *tmpfs))
        binds = [self._bind(entry) for entry in volumes]
        options: dict[str, Any] = {
            "tmpfs": mounts,
            "cap_add": sorted({"SYS_ADMIN", *capabilities}),
            "security_opt": ["apparmor=unconfined"] if self.engine.has_apparmor else [],
        }
        if self.engine.cgroup_version >= 2:
            return {**options, "volumes": binds, "cgroupns": "private", "command": BOOT_V2}
        return {**options, "volumes": [*binds, f"{CGROUPS}:{CGROUPS}:rw"], "cgroupns": "host"}

    def _bind(self, entry: str) -> str:
        source, _, rest = entry.partition(":")
        return entry if "/" in source else f"{self.volume(source)}:{rest}"


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(
            Problem(
                f"invalid {what} of a host, network or lab: {name!r}",
                hint="use lower-case letters, digits and hyphens, up to 42 characters",
            )
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep removed and left."""

    removed: int
    """Things of the engine and folders of this machine that are gone now."""
    unseen: int
    """Things that were left because their owner cannot be seen from here (another boot, machine, process namespace)."""
    problems: tuple[str, ...]
    """What could not be removed although its owner has ended, each with the engine's reason."""


def sweep(engine: DockerEngine, *, unseen_too: bool = False) -> Sweep:
    """Remove what ended owners left, scratch folders included; never what a living owner or somebody else has.

    Args:
        engine: where to look.
        unseen_too: also what belongs to owners that cannot be seen from here; only when a user asks for it.
    """
    removed, unseen = sweep_folders(), 0
    problems: list[str] = []
    with engine.map_docker_faults("sweep leftovers"):
        owners = Counter(label_values(engine.client, LABEL_OWNER))
        for label, count in owners.items():
            owner = Owner.parse(label)
            life = owner.life() if owner else Life.UNSEEN
            if life is Life.ENDED or (unseen_too and life is Life.UNSEEN):
                removal = remove_labelled(engine.client, f"{LABEL_OWNER}={label}")
                removed += removal.removed
                problems += removal.problems
            elif life is Life.UNSEEN:
                unseen += count
    return Sweep(removed, unseen, tuple(problems))
