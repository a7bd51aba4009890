"""Prepare this machine for hosts: a Docker engine, and an image for each release. `./bootstrap.sh hosts` runs it."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence

from evolve.core.model.errors import DockerFault, EnvironmentFault, ExitCode, InputError
from evolve.infra.engine import local_engine
from evolve.infra.engine.docker_engine import DockerEngine, find, own_folder
from evolve.infra.hosts import labs
from evolve.infra.image import base_filesystem, base_image, base_recipe

SERVICE_TIMEOUT_S = 20
"""How long a freshly installed service may take until its socket answers."""


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"== {line}", file=sys.stderr, flush=True)


def an_engine() -> DockerEngine:
    """Return an engine that answers: one that runs already, else our own, installed and started if that is allowed."""
    with contextlib.suppress(EnvironmentFault):
        return find()
    if local_engine.program("dockerd") is None:
        local_engine.install(local_engine.ENGINE_PACKAGES, say)
        with contextlib.suppress(EnvironmentFault):
            return _wait_for_service()
    return local_engine.start(own_folder(os.environ), say)


def _wait_for_service() -> DockerEngine:
    """Return the engine that the package's own service started, where services start."""
    if not os.path.isdir("/run/systemd/system"):
        raise DockerFault("no systemd runs here")
    deadline = time.monotonic() + SERVICE_TIMEOUT_S
    while True:
        try:
            return find()
        except DockerFault:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)  # short next to the second or more that the service takes to start


def start(releases: Sequence[str]) -> None:
    """Start an engine and build the images; a second call only boots a trial host and sweeps leftovers."""
    for release in releases:
        base_recipe.release_named(release)
    engine = an_engine()
    for skipped in engine.passed_over:
        say(f"passed over {skipped}")
    say(f"engine: {engine.url} (cgroup v{engine.cgroup_version})")
    for release in releases:
        _prepare(engine, release)
    sweep(engine, unseen_too=False)


def _prepare(engine: DockerEngine, release: str) -> None:
    if not base_image.is_built(engine, release) and not base_filesystem.can_build() and local_engine.may_install():
        local_engine.install(base_filesystem.PROGRAMS[:1], say)
    tag = base_image.ensure(engine, release, say=say)
    with labs.Lab(engine, label="trial") as lab:
        started = time.monotonic()
        state = lab.start("host", image=tag, release=release).wait_until_up()
        say(f"{tag} boots: {state} after {time.monotonic() - started:.1f} s")


def stop() -> None:
    """Stop the engine that this command started, and no other one."""
    folder = own_folder(os.environ)
    say(f"engine in {folder}: {'stopped' if local_engine.stop(folder) else 'does not run'}")


def sweep(engine: DockerEngine, *, unseen_too: bool) -> None:
    """Remove leftovers, and print how many."""
    swept = labs.sweep(engine, unseen_too=unseen_too)
    if swept.removed:
        say(f"removed {swept.removed} leftovers of runs that have ended")
    if swept.unseen:
        say(f"left {swept.unseen} things of owners on another system; ./bootstrap.sh hosts sweep removes them")
    if swept.problems:
        raise DockerFault("could not be removed: " + "; ".join(swept.problems))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return one of `evolve`'s exit codes."""
    parser = argparse.ArgumentParser(prog="./bootstrap.sh hosts", description=__doc__)
    parser.add_argument("word", nargs="?", choices=("start", "stop", "sweep"), default="start", help="default: start")
    parser.add_argument(
        "--release", action="append", metavar="R", help=f"of {', '.join(base_recipe.RELEASES)}; may be repeated"
    )
    options = parser.parse_args(argv)
    try:
        if options.word == "stop":
            stop()
        elif options.word == "sweep":
            sweep(find(), unseen_too=True)
        else:
            start(options.release or [base_recipe.DEFAULT_RELEASE])
    except InputError as error:
        print(f"hosts: {error}", file=sys.stderr)
        return ExitCode.INPUT
    except EnvironmentFault as fault:
        print(f"hosts: {fault}", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
