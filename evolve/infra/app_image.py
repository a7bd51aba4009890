"""Build the images of gateway and agent from this clone, and push them. `./bootstrap.sh image` runs it."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from evolve import __version__
from evolve.core.model.errors import DockerFault, EnvironmentFault, ExitCode, InputError, ProcessFault
from evolve.infra.engine import local_engine, scratch
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.image import base_filesystem
from evolve.infra.image.building import build_image
from evolve.infra.image.progress import reported
from evolve.infra.prepare_hosts import an_engine, say

CLONE: Final = Path(__file__).parents[2]
BASE: Final = "debian:bookworm-slim"
OWN_RELEASE: Final = "bookworm"
OWN_BASE: Final = f"anneal-minbase:{OWN_RELEASE}"
"""The base where none can be pulled: Debian's smallest system, without systemd."""
OWN_PACKAGES: Final = ("ca-certificates",)
PIP_ARGUMENTS: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
"""Settings of this machine's pip that the first stage gets; a certificate comes as a file."""
CONSTRAINTS: Final = "roles/common/files/constraints.txt"
LOG_LINES: Final = 15
"""How much of a failed build of the wheel a message shows; the reason is at its end."""
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"


class AppImage(NamedTuple):
    """An image that this clone describes, in `dockerfiles/`."""

    part: str
    """Its name there, and for a person who wants only this one."""
    repository: str
    title: str

    @property
    def tag(self) -> str:
        """Its name in an engine."""
        return f"{self.repository}:{__version__}"

    @property
    def label(self) -> str:
        """What the image and its first stage are labelled with."""
        return f"anneal.image={self.part}"


GATEWAY: Final = AppImage("gateway", "anneal-gateway", "the gateway")
AGENT: Final = AppImage("pipecatapp", "anneal-pipecatapp", "the agent")
IMAGES: Final = (GATEWAY, AGENT)


class PushedImage(NamedTuple):
    """An image in a registry."""

    reference: str
    """`REGISTRY/NAME@sha256:DIGEST`: what roles and jobs name."""
    compressed_bytes: int
    """What a machine downloads that has no layer yet; 0 where the registry did not say it."""


def build(engine: DockerEngine, base: str, images: Sequence[AppImage]) -> list[str]:
    """Build images, and return their tags.

    Args:
        engine: where.
        base: an image with apt; see `usable_base`.
        images: which; they share their first steps.

    Raises:
        EnvironmentFault: a step failed; with the end of its log.
    """
    arguments = {name: os.environ[name] for name in PIP_ARGUMENTS if os.environ.get(name)}
    with tempfile.TemporaryDirectory(prefix=scratch.prefix("image")) as whole:
        wheel = _wheel(Path(whole))
        for image in images:
            folder = Path(whole) / image.part
            with reported(say, f"{image.tag}: build"):
                _fill_context(folder, image, wheel)
                given = {"BASE": base, **arguments}
                build_image(engine, image.tag, path=str(folder), dockerfile=f"{image.part}.Dockerfile", buildargs=given)
    # The first stages, and the images that these replace; last, for one is built with another's steps.
    for image in images:
        with engine.map_docker_faults(f"remove what the build of {image.tag} leaves"):
            engine.client.images.prune(filters={"dangling": True, "label": image.label})
    return [image.tag for image in images]


def _wheel(folder: Path) -> Path:
    """Return this clone's wheel, built into a folder."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(CLONE)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        log = "\n".join((done.stdout + done.stderr).splitlines()[-LOG_LINES:])
        raise ProcessFault(f"the wheel could not be built:\n{log}", command="pip wheel", code=done.returncode)
    (made,) = folder.glob("*.whl")
    return made


def _fill_context(folder: Path, image: AppImage, wheel: Path) -> None:
    """Put what a Dockerfile copies into a new folder: the wheel, the list of packages and their versions."""
    folder.mkdir()
    own = [CLONE / "dockerfiles" / f"{image.part}.{kind}" for kind in ("Dockerfile", "packages")]
    for path in (*own, CLONE / CONSTRAINTS, wheel):
        shutil.copy(path, folder)
    certificates = os.environ.get("PIP_CERT")
    content = Path(certificates).read_bytes() if certificates else b""
    (folder / "certificates.pem").write_bytes(content)


def usable_base(engine: DockerEngine, wanted: str) -> str:
    """Return the wanted base where the engine has it or can pull it, else one of our own.

    Raises:
        EnvironmentFault: neither is possible, or another base than the default was named and cannot be pulled.
    """
    import docker

    with engine.map_docker_faults(f"look for image {wanted}"), contextlib.suppress(docker.errors.ImageNotFound):
        engine.client.images.get(wanted)
        return wanted
    try:
        hint = "./bootstrap.sh image, without --base, builds a base where none can be pulled"
        with engine.map_docker_faults(f"pull {wanted}", hint=hint), reported(say, f"{wanted}: pull"):
            engine.client.images.pull(wanted)
    except DockerFault as fault:
        if wanted != BASE:
            raise
        say(f"{BASE} cannot be pulled: {fault.args[0] if fault.args else fault}")
        return _own_base(engine)
    return wanted


def _own_base(engine: DockerEngine) -> str:
    import docker

    with engine.map_docker_faults(f"look for image {OWN_BASE}"), contextlib.suppress(docker.errors.ImageNotFound):
        engine.client.images.get(OWN_BASE)
        return OWN_BASE
    if not base_filesystem.can_build() and local_engine.may_install():
        local_engine.install(base_filesystem.PROGRAMS[:1], say)
    with base_filesystem.archive_of(OWN_RELEASE, packages=OWN_PACKAGES, say=say) as path:
        repository, _, tag = OWN_BASE.partition(":")
        with engine.map_docker_faults(f"import {OWN_BASE}"):
            engine.client.api.import_image_from_file(str(path), repository=repository, tag=tag)
    return OWN_BASE


def added_bytes(engine: DockerEngine, tag: str, base: str) -> int:
    """Return what an image adds to its base, uncompressed."""
    with engine.map_docker_faults(f"measure {tag}"):
        whole, below = (engine.client.images.get(name).attrs["Size"] for name in (tag, base))
    return int(whole) - int(below)


def push(engine: DockerEngine, tag: str, registry: str) -> PushedImage:
    """Push an image, and return what names exactly this one.

    Args:
        engine: which has it.
        tag: such as `anneal-gateway:0.1.0`.
        registry: `HOST:PORT` or `HOST:PORT/PATH`; who may push there is known to the engine (`docker login`).

    Raises:
        EnvironmentFault: the registry refused it or does not answer.
    """
    repository, _, version = f"{registry.rstrip('/')}/{tag}".rpartition(":")
    digest = ""
    with engine.map_docker_faults(f"push {repository}:{version}"), reported(say, f"{repository}: push"):
        engine.client.images.get(tag).tag(repository, version)
        for event in engine.client.api.push(repository, tag=version, stream=True, decode=True):
            if "error" in event:
                raise DockerFault(f"push {repository}:{version}: {event['error']}", hint=f"docker login {registry}")
            digest = (event.get("aux") or {}).get("Digest", digest)
    if not digest:
        raise DockerFault(f"push {repository}:{version}: the engine reported no digest")
    return PushedImage(f"{repository}@{digest}", _compressed_bytes(repository, digest))


def _compressed_bytes(repository: str, digest: str) -> int:
    """Return the sum of the layers in the registry; 0 where it asks for a login or does not answer."""
    host, _, path = repository.partition("/")
    scheme = "http" if host.rsplit(":", 1)[0] in ("127.0.0.1", "localhost", "[::1]") else "https"
    asked = urllib.request.Request(f"{scheme}://{host}/v2/{path}/manifests/{digest}", headers={"Accept": _MANIFEST})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            manifest: dict[str, Any] = json.loads(answer.read())
    except (urllib.error.URLError, OSError, ValueError):
        return 0
    return sum(int(layer["size"]) for layer in manifest.get("layers", []))


def make(base: str, registry: str | None, images: Sequence[AppImage]) -> list[str]:
    """Build images on this machine's engine, push them where a registry is given, and return their names.

    Args:
        base: the image that they are built on; see `usable_base`.
        registry: as `push` takes it; None for none.
        images: which.

    Raises:
        EnvironmentFault: a step failed; with the end of its log.
    """
    engine = an_engine()
    say(f"engine: {engine.url}")
    base = usable_base(engine, base)
    tags = build(engine, base, images)
    for tag in tags:
        say(f"{tag}: adds {added_bytes(engine, tag, base) / 1e6:.0f} MB to {base}")
    return [_pushed(engine, tag, registry) for tag in tags] if registry else tags


def _pushed(engine: DockerEngine, tag: str, registry: str) -> str:
    pushed = push(engine, tag, registry)
    if pushed.compressed_bytes:
        say(f"{tag}: {pushed.compressed_bytes / 1e6:.0f} MB compressed, with its base")
    return pushed.reference


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return one of `evolve`'s exit codes."""
    parser = argparse.ArgumentParser(prog="./bootstrap.sh image", description=__doc__)
    parser.add_argument("--base", default=BASE, metavar="IMAGE", help=f"of Debian, bookworm or newer (default: {BASE})")
    parser.add_argument(
        "--push", metavar="REGISTRY", help="HOST:PORT of a registry; prints the images with their digests"
    )
    parser.add_argument("--only", choices=[image.part for image in IMAGES], help="build this one alone")
    options = parser.parse_args(argv)
    wanted = [image for image in IMAGES if options.only in (None, image.part)]
    try:
        print("\n".join(make(options.base, options.push, wanted)))
    except InputError as error:
        print(f"image: {error}", file=sys.stderr)
        return ExitCode.INPUT
    except EnvironmentFault as fault:
        print(f"image: {fault}", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
