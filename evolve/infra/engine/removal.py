"""Removes everything with a label from an engine: containers, images, networks, volumes, in the order that works."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evolve.infra.engine.docker_engine import reason

if TYPE_CHECKING:
    import docker

GONE, BUSY = 404, 409
"""The statuses of Docker's API for a thing that is not there, and for one that another request removes right now."""

NO_TAG = "<none>:<none>"

_Things = Iterable[tuple[str, Callable[[], Any]]]


@dataclass(frozen=True, slots=True)
class Removal:
    """What one pass found and what it could not remove."""

    found: int
    problems: tuple[str, ...] = ()
    """Each with the thing's name and the engine's reason."""

    @property
    def removed(self) -> int:
        """How many of them are gone now."""
        return self.found - len(self.problems)


def remove_labelled(client: "docker.DockerClient", label: str) -> Removal:
    """Remove everything that has `label` (`key` or `key=value`), running containers included.

    Something that another process removed meanwhile is no problem. What cannot be removed does not stop the rest.
    Errors of listing what is there escape as the SDK raises them.
    """
    problems: list[str] = []
    found = 0
    for things in (_containers, _images, _networks, _volumes):
        for name, remove in things(client, {"label": label}):
            found += 1
            problems += _attempt(name, remove)
    return Removal(found, tuple(problems))


def label_values(client: "docker.DockerClient", key: str) -> list[str]:
    """Return the value of the label `key` of each container, image, network and volume that has one."""
    api, filters = client.api, {"label": key}
    entries = [
        *api.containers(all=True, filters=filters),
        *api.images(filters=filters),
        *api.networks(filters=filters),
        *(api.volumes(filters=filters)["Volumes"] or ()),
    ]
    return [entry["Labels"][key] for entry in entries]


def _containers(client: "docker.DockerClient", filters: dict[str, str]) -> _Things:
    api = client.api
    for entry in api.containers(all=True, filters=filters):
        name = entry["Names"][0].lstrip("/") if entry["Names"] else entry["Id"]
        yield f"container {name}", partial(api.remove_container, entry["Id"], v=True, force=True)


def _images(client: "docker.DockerClient", filters: dict[str, str]) -> _Things:
    api = client.api
    for entry in api.images(filters=filters):
        # Engines before 25 give an image without a tag this one.
        tags = [tag for tag in entry["RepoTags"] or () if tag != NO_TAG]
        for tag in tags or [entry["Id"]]:
            yield f"image {tag}", partial(api.remove_image, tag, force=True)


def _networks(client: "docker.DockerClient", filters: dict[str, str]) -> _Things:
    api = client.api
    for entry in api.networks(filters=filters):
        yield f"network {entry['Name']}", partial(api.remove_network, entry["Id"])


def _volumes(client: "docker.DockerClient", filters: dict[str, str]) -> _Things:
    api = client.api
    for entry in api.volumes(filters=filters)["Volumes"] or ():
        yield f"volume {entry['Name']}", partial(api.remove_volume, entry["Name"], force=True)


def _attempt(name: str, remove: Callable[[], Any]) -> list[str]:
    import docker
    import requests

    try:
        remove()
    except docker.errors.APIError as exc:
        if exc.response is not None and exc.response.status_code == GONE:
            return []
        if exc.response is not None and exc.response.status_code == BUSY and "in progress" in str(exc):
            return []
        return [f"{name}: {exc.explanation or exc}"]
    except requests.exceptions.RequestException as exc:
        # A container that ends slowly takes longer than an answer may.
        return [f"{name}: {reason(exc)}"]
    return []
