"""The images that hosts start from: one per release, built once, with package lists of the day."""

import contextlib
import io
import logging
import os
import time
from collections.abc import Iterator

from evolve.core.model.errors import DockerFault, EnvironmentFault
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.image import base_filesystem, base_recipe
from evolve.infra.image.base_recipe import LABEL_LISTS, LABEL_RELEASE, Release
from evolve.infra.image.building import build_image
from evolve.infra.image.progress import PulledBytes, Say, reported
from evolve.system.cache_folder import cache_fault, cache_folder, make_cache_folder
from evolve.system.locks import locked

NAME = "anneal-host"
BASE_NAME = "anneal-base"
UPSTREAM = "debian"
"""The registry's image that a base is built from where a registry answers."""

LISTS_AGE_S = 24 * 3600
"""Older lists name packages that the archive has replaced by newer ones."""


def ensure(engine: DockerEngine, release: str, *, say: Say | None = None, upstream: str = UPSTREAM) -> str:
    """Return the tag of the release's image; build it when the engine has none, and refresh it once a day.

    An image that cannot be refreshed, as without a network, stays in use; this process does not try again.
    The tag is the same for the same release, packages and recipe; `anneal-host:RELEASE` names the image too.

    Args:
        engine: where the image is needed.
        release: such as `bookworm`.
        say: called with a line before each step that takes long.
        upstream: the registry's image of the distribution, without its tag.

    Raises:
        InputError: the release is unknown.
        EnvironmentFault: it cannot boot on this engine, or no way to build it worked; says each way's reason.
    """
    known = base_recipe.release_named(release)
    if why := known.why_not(engine.cgroup_version):
        raise EnvironmentFault(f"{release} cannot boot on {engine.url}: {why}", hint="choose an older release")
    tag = _tag(known)
    if not _is_fresh(engine, tag):
        with one_builder(release):
            if not _is_fresh(engine, tag):
                _make(engine, known, tag, say or _quiet, upstream)
    return tag


def is_built(engine: DockerEngine, release: str) -> bool:
    """Return whether the engine has the release's image, of any age."""
    return _lists_age_s(engine, _tag(base_recipe.release_named(release))) is not None


def _tag(release: Release) -> str:
    return f"{NAME}:{release.name}-{base_recipe.key(release)}"


def _quiet(line: str) -> None:
    logging.getLogger(__name__).info(line)


def _lists_age_s(engine: DockerEngine, tag: str) -> float | None:
    """Return how old the image's package lists are; None when there is no such image."""
    import docker

    with engine.map_docker_faults(f"look for image {tag}"):
        try:
            labels = engine.client.images.get(tag).labels
        except docker.errors.ImageNotFound:
            return None
    return time.time() - float(labels.get(LABEL_LISTS, 0))


def _is_fresh(engine: DockerEngine, tag: str) -> bool:
    """Return whether the image can be used unchanged: its lists are new enough, or newer ones cannot be fetched."""
    age = _lists_age_s(engine, tag)
    return age is not None and (age < LISTS_AGE_S or tag in engine.kept_images)


def _make(engine: DockerEngine, release: Release, tag: str, say: Say, upstream: str) -> None:
    """Build the image, or give an old one today's lists; an old one that cannot be refreshed stays in use."""
    is_refresh = _lists_age_s(engine, tag) is not None
    try:
        base = _base(engine, release, tag, say, upstream)
        say(f"{release.name}: fetching today's package lists")
        with reported(say, f"{release.name}: package lists"):
            _build(engine, base_recipe.finish_dockerfile(base, release, int(time.time())), tag)
    except EnvironmentFault as fault:
        if not is_refresh:
            raise
        engine.kept_images.add(tag)
        logging.getLogger(__name__).warning("%s keeps its old package lists: %s", tag, fault)
    with engine.map_docker_faults(f"name image {tag}"):
        engine.client.images.get(tag).tag(NAME, release.name)
    _drop_replaced(engine, release)


def _base(engine: DockerEngine, release: Release, tag: str, say: Say, upstream: str) -> str:
    """Return the tag of the image without package lists; from a registry, else from the distribution's packages."""
    import docker

    base = f"{BASE_NAME}:{tag.partition(':')[2]}"
    with engine.map_docker_faults(f"look for image {base}"), contextlib.suppress(docker.errors.ImageNotFound):
        engine.client.images.get(base)
        return base
    try:
        _from_registry(engine, release, base, say, upstream)
    except DockerFault as fault:
        _from_packages(engine, release, base, say, str(fault))
    return base


def _from_registry(engine: DockerEngine, release: Release, base: str, say: Say, upstream: str) -> None:
    say(f"{release.name}: asking the registry for {upstream}:{release.name}")
    pulled = PulledBytes()
    with (
        engine.map_docker_faults(f"pull {upstream}:{release.name}"),
        reported(say, f"{release.name}: {upstream}:{release.name}", pulled.total),
    ):
        for event in engine.client.api.pull(upstream, tag=release.name, stream=True, decode=True):
            if "error" in event:
                raise DockerFault(f"pull {upstream}:{release.name} on {engine.url}: {event['error']}")
            pulled.note(event)
        engine.client.images.get(f"{upstream}:{release.name}")
    say(f"{release.name}: installing systemd and Python on {upstream}:{release.name}")
    with reported(say, f"{release.name}: systemd and Python"):
        _build(engine, base_recipe.upstream_dockerfile(f"{upstream}:{release.name}"), base)


def _from_packages(engine: DockerEngine, release: Release, base: str, say: Say, no_registry: str) -> None:
    say(f"{release.name}: no registry answers; building from the distribution's packages, about a minute")
    try:
        with base_filesystem.archive_of(release.name, say=say) as path, engine.map_docker_faults(f"import {base}"):
            repository, _, label = base.partition(":")
            engine.client.api.import_image_from_file(str(path), repository=repository, tag=label)
    except EnvironmentFault as fault:
        raise EnvironmentFault(
            f"the image of {release.name} could not be built\n"
            f"  from a registry: {no_registry}\n  from packages: {fault}\n",
            hint="./bootstrap.sh hosts",
        ) from fault


def _build(engine: DockerEngine, dockerfile: str, tag: str) -> None:
    """Build without the cache, to get today's lists."""
    build_image(engine, tag, fileobj=io.BytesIO(dockerfile.encode()), nocache=True)


def _drop_replaced(engine: DockerEngine, release: Release) -> None:
    """Remove yesterday's images that nothing uses any more."""
    import docker

    filters = {"label": f"{LABEL_RELEASE}={release.name}", "dangling": True}
    with engine.map_docker_faults(f"remove replaced images of {release.name}"):
        for image in engine.client.images.list(filters=filters):
            # An image that a host still uses cannot be removed; the next refresh tries again.
            with contextlib.suppress(docker.errors.APIError):
                engine.client.images.remove(image.id)


@contextlib.contextmanager
def one_builder(release: str) -> Iterator[None]:
    """Let one process of this user build at a time; the others wait, and find the image."""
    folder = make_cache_folder(cache_folder(os.environ))
    path = folder / f"anneal-host-{release}.lock"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path))
        except OSError as exc:
            raise cache_fault(f"cannot make {path}", path, exc) from exc
        yield
