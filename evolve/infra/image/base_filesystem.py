"""A release's root filesystem as a tar file, made from the distribution's own packages."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from evolve.core.model.errors import EnvironmentFault, ProcessFault
from evolve.infra.engine import scratch
from evolve.infra.image import apt_sources
from evolve.infra.image.base_recipe import PACKAGES
from evolve.infra.image.progress import Say, folder_size, reported

PROGRAMS = ("mmdebstrap", "debootstrap")
"""Programs that can build a filesystem, best first: mmdebstrap works without root where the kernel allows it."""

LOG_LINES = 15
"""How much of a failed program's log a message shows; the reason is at its end."""

FROZEN_MIRROR = 'Acquire::Check-Valid-Until "false"'
"""Lets apt use an archive that no longer changes: the date until which its lists are valid has passed."""


def _silent(_line: str) -> None:
    pass


def can_build() -> bool:
    """Return whether this machine has one of the programs."""
    return any(shutil.which(name) for name in PROGRAMS)


@contextlib.contextmanager
def archive_of(release: str, *, packages: Sequence[str] = PACKAGES, say: Say = _silent) -> Iterator[Path]:
    """Yield a tar file with the release and packages; it is removed afterwards.

    Everything that the programs write is in one folder of this process, so that a sweep finds it after a kill.

    Args:
        release: such as `bookworm`.
        packages: what is added to Debian's smallest system; those of hosts by default.
        say: called with lines of progress.

    Raises:
        EnvironmentFault: neither program is here, or it failed; with the end of its log.
    """
    # What a failed builder leaves mounted must not hide why it failed.
    with tempfile.TemporaryDirectory(prefix=scratch.prefix("image"), ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"{release}.tar"
        # mmdebstrap's own user enters it where it works without root.
        os.chmod(folder, 0o711)
        lines = apt_sources.source_lines(release, apt_sources.machine_uris())
        with reported(say, f"{release}: packages", lambda: folder_size(Path(folder))):
            _make_archive(release, path, lines, packages)
        yield path


def _make_archive(release: str, path: Path, lines: Sequence[str], packages: Sequence[str]) -> None:
    if shutil.which("mmdebstrap"):
        _run(mmdebstrap_command(release, path, lines, packages), scratch_folder=path.parent)
    elif shutil.which("debootstrap"):
        root = path.parent / "root"
        _run(debootstrap_command(release, root, lines, packages))
        _finish_root(root, lines)
        _run(["tar", "-C", str(root), "-cf", str(path), "."])
    else:
        raise EnvironmentFault("neither mmdebstrap nor debootstrap is here", hint="sudo apt-get install mmdebstrap")


def mmdebstrap_command(
    release: str, target: Path, lines: Sequence[str], packages: Sequence[str] = PACKAGES
) -> list[str]:
    """Return mmdebstrap's command line.

    Args:
        release: such as `bookworm`.
        target: the tar file.
        lines: of sources.list; without any it uses its own default mirror.
        packages: what is added to Debian's smallest system.
    """
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        f"--aptopt={FROZEN_MIRROR}",
        release,
        str(target),
        *lines,
    ]


def debootstrap_command(
    release: str, root: Path, lines: Sequence[str], packages: Sequence[str] = PACKAGES
) -> list[str]:
    """Return debootstrap's command line, with one suite only.

    Args:
        release: such as `bookworm`.
        root: the folder that it fills.
        lines: of sources.list; without any it uses its own default mirror.
        packages: what is added to Debian's smallest system.
    """
    mirror = [line.split()[1] for line in lines[:1]]
    return ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, str(root), *mirror]


def _finish_root(root: Path, lines: Sequence[str]) -> None:
    if lines:
        (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "etc/apt/apt.conf.d/99frozen-mirror").write_text(f"{FROZEN_MIRROR};\n", encoding="utf-8")


def _run(command: Sequence[str], *, scratch_folder: Path | None = None) -> None:
    """Run a program; its temporary files go into the folder, because a killed program leaves them."""
    if command[0] == "debootstrap" and os.geteuid():
        raise EnvironmentFault("debootstrap needs root", hint="install mmdebstrap, or run this as root")
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **({"TMPDIR": str(scratch_folder)} if scratch_folder else {})},
    )
    if done.returncode:
        log = "\n".join((done.stdout + done.stderr).splitlines()[-LOG_LINES:])
        text = f"{command[0]} ended with {done.returncode}:\n{log}"
        raise ProcessFault(text, command=command[0], code=done.returncode)
