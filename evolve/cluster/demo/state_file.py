"""Where a demo cluster runs: a file in the cache folder, for commands that are started next to it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from evolve.cluster.address import ClusterAddress, consul_address, nomad_address
from evolve.core.model.errors import StoreFault
from evolve.system.atomic_files import write_whole
from evolve.system.cache_folder import cache_folder
from evolve.system.process_owner import Owner

_FILE = "cluster.json"


@dataclass(frozen=True, slots=True)
class DemoCluster:
    """A demo cluster on this machine."""

    id: str
    """Its jobs carry it in their Meta."""
    owner: str
    """The process that started it, and ends it."""
    nomad: str
    """URL."""
    consul: str
    """URL."""
    ports: Mapping[str, int]
    """Of each job."""
    scratch_is_small: bool
    """Whether the scratch folder is a disk of its own, which can be filled."""
    folder: Path

    @property
    def scratch(self) -> Path:
        """The folder in which the worker keeps its journal."""
        return self.folder / "scratch"

    def backlog(self, job: str) -> Path:
        """Return the file of the work that waits for a job."""
        return self.folder / "backlogs" / job

    def write(self) -> None:
        """Make the cluster known.

        Raises:
            OSError: the file cannot be written.
        """
        values = {name: value for name, value in asdict(self).items() if name != "folder"}
        write_whole(self.folder / _FILE, json.dumps(values), mode=0o600)


def demo_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of the demo cluster; it need not exist."""
    return cache_folder(env).absolute() / "demo_cluster"


def running_demo(env: Mapping[str, str]) -> DemoCluster | None:
    """Return the demo cluster that runs on this machine; None without one, also where it was killed.

    Raises:
        StoreFault: the file cannot be read.
    """
    folder = demo_folder(env)
    try:
        found = json.loads((folder / _FILE).read_text("utf-8"))
        demo = DemoCluster(**found, folder=folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        text = f"cannot read the demo cluster's addresses: {exc}"
        raise StoreFault(text, path=str(folder / _FILE), hint="./bootstrap.sh cluster stop removes them") from exc
    owner = Owner.parse(demo.owner)
    return None if owner is None or owner.is_gone else demo


def forget_demo(folder: Path) -> None:
    """Remove the file: the cluster is no longer there."""
    (folder / _FILE).unlink(missing_ok=True)


def nomad_or_demo(env: Mapping[str, str]) -> ClusterAddress | None:
    """Return the Nomad that NOMAD_ADDR names, else that of a running demo cluster; None without both."""
    if (given := nomad_address(env)) is not None:
        return given
    demo = running_demo(env)
    return ClusterAddress(demo.nomad) if demo else None


def consul_or_demo(env: Mapping[str, str]) -> ClusterAddress | None:
    """Return the Consul that CONSUL_HTTP_ADDR names, else that of a running demo cluster; None without both.

    Where NOMAD_ADDR names a cluster of its own, the demo's Consul is not that cluster's, and is not returned.
    """
    if (given := consul_address(env)) is not None:
        return given
    demo = running_demo(env)
    nomad = nomad_address(env)
    return ClusterAddress(demo.consul) if demo and (nomad is None or nomad.url == demo.nomad) else None
