"""What differs between two states: of one host at two moments, or of two hosts, one of which was interrupted."""

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Final, NamedTuple

from evolve.infra.hosts.host_state import FileState, HostState, UnitState

_ALIKE_SIZE: Final = 0.9
"""Two binary files that hosts made themselves count as alike when the smaller has at least this part of the larger's
size; a half-written one has less."""

_TRANSIENT: Final = re.compile(r"\.mount$|^(run-|user@|user-|session-|systemd-|modprobe@)")
"""Units that come and go by themselves."""
_RUN: Final = re.compile(r"^run-(r[0-9a-f]+|u\d+)\.(service|timer|path|socket)$")
"""Units that `systemd-run` makes: what it was asked to do happens later, or besides the play."""
_MADE_ON_THE_HOST: Final = (
    "/etc/ssh/ssh_host_*", "/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "*/dhparam*.pem", "/root/.gnupg/*", "*.kbx", "*.kbx~", "*/trustdb.gpg", "/etc/dropbear/*_key", "/root/.ssh/id_*",
)  # fmt: skip
"""Keys and certificates that packages make: two correct hosts have different ones; mode and owner are compared."""
_BACKUP: Final = re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~$")
"""The name of a copy that Ansible makes for `backup: true`: it has the process and the time in it."""
_DOWN: Final = ("inactive", "failed")
_NEVER: Final = UnitState("inactive", "", "", "", 0.0)


def changes(before: HostState, after: HostState, *, varying: Iterable[str] = ()) -> list[str]:
    """Return what differs between two moments of one host, a line each, sorted; with units that were started again.

    Args:
        before: the earlier moment.
        after: the later one.
        varying: globs of paths that change by themselves.
    """
    globs = tuple(varying)
    paths = [path for path in before.files.keys() | after.files.keys() if not _varies(path, globs)]
    return [*_file_changes(before, after, sorted(paths)), *_restarts(before, after)]


def _varies(path: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch(path, glob) for glob in globs)


def _file_changes(before: HostState, after: HostState, paths: list[str]) -> Iterable[str]:
    for path in paths:
        old, new = before.files.get(path), after.files.get(path)
        if old is None and new is not None:
            # Its inode changed since then: it was written, or got another mode or owner. A service's data do not count.
            if new.is_compared:
                yield f"{path} was written or touched"
        elif new is None:
            if old is not None and old.is_compared:
                yield f"{path} was removed"
        elif old is not None:
            yield from (f"{path}: {what}" for what in _differences(old, new))


def _differences(old: FileState, new: FileState) -> Iterable[str]:
    if old.kind != new.kind:
        yield "became another kind of file"
    if old.mode != new.mode:
        yield f"mode {old.mode:04o} became {new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield f"owner {old.uid}:{old.gid} became {new.uid}:{new.gid}"
    if old.content != new.content and old.is_compared and new.is_compared:
        yield "its content changed"


def _restarts(before: HostState, after: HostState) -> Iterable[str]:
    for name in sorted(after.units):
        old, new = before.units.get(name, _NEVER), after.units[name]
        if _RUN.search(name) and name not in before.units:
            yield f"a transient unit was made by systemd-run: its command runs besides the play ({name})"
        if _TRANSIENT.search(name) and not (name.startswith("systemd-") and new.enabled == "enabled"):
            continue
        if new.varies and old.active != new.active:
            pass
        elif old.active == "active" != new.active:
            yield f"unit {name} was active and is {new.active}"
        elif old.active in _DOWN and new.active == "active":
            yield f"unit {name} was started"
        elif old.active == new.active == "active" and old.invocation != new.invocation:
            yield f"unit {name} was started again"
        if name in before.units and old.enabled != new.enabled:
            yield f"unit {name} was {old.enabled or 'not there'} and is {new.enabled or 'not there'}"


def differences(expected: HostState, found: HostState, *, varying: Iterable[str] = ()) -> list[str]:
    """Return how a host differs from one that was not disturbed; times, numbers and random words do not count.

    Args:
        expected: the undisturbed host.
        found: the other one.
        varying: globs of paths that may differ.
    """
    globs = tuple(varying)
    lines = []
    for path in sorted(expected.files.keys() | found.files.keys()):
        # A file in a folder that only one host has is reported with the folder.
        folder = path.rpartition("/")[0]
        is_reported = (folder in expected.files) != (folder in found.files)
        if is_reported or _varies(path, globs) or _BACKUP.search(path):
            continue
        lines += [f"{path}: {what}" for what in _unlike(path, expected.files.get(path), found.files.get(path))]
    for name in sorted(expected.units.keys() | found.units.keys()):
        lines += _unlike_unit(name, expected.units.get(name), found.units.get(name))
    return lines


def _is_made_on_the_host(path: str) -> bool:
    return any(fnmatch(path, glob) for glob in _MADE_ON_THE_HOST)


def _unlike(path: str, expected: FileState | None, found: FileState | None) -> Iterable[str]:
    if not any(one and one.is_compared for one in (expected, found)):
        return
    if found is None:
        yield "is missing"
    elif expected is None:
        yield "exists only after the interruption"
    elif _roots(expected) != _roots(found):
        yield f"belongs to {found.uid}:{found.gid}, not {expected.uid}:{expected.gid}"
    elif expected.kind != found.kind:
        yield "is another kind of file"
    elif expected.mode != found.mode:
        yield f"has mode {found.mode:04o}, not {expected.mode:04o}"
    elif expected.content != found.content and not _is_alike(expected, found) and not _is_made_on_the_host(path):
        yield "has different content"


def _roots(file: FileState) -> tuple[bool, bool]:
    """Return whether user and group are root; the numbers of others may differ from host to host."""
    return file.uid == 0, file.gid == 0


def _is_alike(expected: FileState, found: FileState) -> bool:
    sizes = [shape.partition(":")[2] for shape in (expected.shape, found.shape)]
    if all(sizes):
        least, most = sorted(map(int, sizes))
        return least >= most * _ALIKE_SIZE
    return expected.shape == found.shape


def _unlike_unit(name: str, expected: UnitState | None, found: UnitState | None) -> Iterable[str]:
    if _TRANSIENT.search(name) or (expected and expected.varies):
        return
    old = expected.active if expected else "inactive"
    new = found.active if found else "inactive"
    if old == "active" != new:
        yield f"unit {name} is {new}, not active"
    if expected and found and expected.enabled != found.enabled:
        yield f"unit {name} is {found.enabled or 'not there'}, not {expected.enabled or 'not there'}"


class Stale(NamedTuple):
    """A unit that still runs with the old version of a file."""

    unit: str
    path: str


def stale_units(undisturbed: HostState, found: HostState, written: Iterable[str]) -> list[Stale]:
    """Return the units that started before a file was written, but after it on the undisturbed host: lost handlers.

    Args:
        undisturbed: the host that was not interrupted.
        found: the other one.
        written: paths that tasks wrote which notify handlers.
    """
    paths = sorted(set(written) & undisturbed.files.keys() & found.files.keys())
    return [
        Stale(name, path)
        for name, good in undisturbed.units.items()
        for path in paths
        if good.active == "active"
        and good.active_since > undisturbed.files[path].changed_at
        and name in found.units
        and 0 < found.units[name].active_since < found.files[path].changed_at
    ]
