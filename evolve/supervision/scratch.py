"""Deletes the files of declared scratch folders of this machine, and nothing that a link leads to."""

import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from evolve.core.incidents.reading import fields, text
from evolve.core.model.incidents import JsonFields

MAX_DEPTH = 64


def is_this_machine(node: JsonFields | None) -> bool:
    """Return whether a node of Nomad is the machine that this process runs on.

    Its host name and its address must both be ours: many machines have the same name. A node that could not be read
    is none of ours, and neither is one that this process sees from inside a container.
    """
    attributes = fields(node, "Attributes")
    name = text(attributes, "unique.hostname")
    address = text(attributes, "unique.network.ip-address") or text(node or {}, "HTTPAddr").rpartition(":")[0]
    return bool(name) and name.lower() == socket.gethostname().lower() and _is_own_address(address)


def _is_own_address(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        try:
            own.bind((address, 0))
        except OSError:  # no interface has it
            return False
    # An empty address and that of all interfaces can be bound on every machine.
    return address not in ("", "0.0.0.0", "::")


def delete_files(paths: Sequence[str]) -> int:
    """Return how many bytes were deleted; the folders themselves and their subfolders stay.

    Links are not followed and not deleted, and another file system below is left alone.

    Raises:
        OSError: a folder cannot be opened; files that cannot be deleted are left.
    """
    return sum(_empty(path) for path in paths)


def _empty(path: str) -> int:
    if Path(path).resolve() != Path(path) or len(Path(path).parts) < 3:
        raise OSError(f"{path} is a link or too near to the root: it is not emptied")
    freed = 0
    device = os.stat(path).st_dev
    for folder, names, files, handle in os.fwalk(path, follow_symlinks=False):
        names[:] = [name for name in names if _is_on(device, name, handle)]
        if folder.count("/") > path.count("/") + MAX_DEPTH:
            names.clear()
        for name in files:
            freed += _delete(name, handle)
    return freed


def _is_on(device: int, name: str, handle: int) -> bool:
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False).st_dev == device
    except OSError:
        return False


def _delete(name: str, handle: int) -> int:
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            return 0
        os.unlink(name, dir_fd=handle)
    except OSError:
        return 0
    # A file with another name keeps its bytes.
    return found.st_size if found.st_nlink == 1 else 0
