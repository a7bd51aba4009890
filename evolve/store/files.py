"""The files that a suite may read: nothing outside a root folder, and nothing huge or binary."""

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.system.web_files import fetch_text

MAX_BYTES = 8 * 1024 * 1024
"""The largest file that is read, 8 MiB; larger files of tests should be split."""

_MAX_FILES = 10_000
"""Files that one pattern may find; a suite with more files of tests is not known."""

ROOT_MARKERS = (".git", "pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "promptfooconfig.yaml")
"""What marks the root of a project; see `find_root`."""


def find_root(folder: str) -> str:
    """Return the root of the project that a suite's folder is in: suites may refer to all of its files.

    That is the nearest folder above with a `.git`; else with a `pyproject.toml`, `pytest.ini`, `tox.ini`, `setup.cfg`
    or `promptfooconfig.yaml`; else the folder itself.
    """
    start = Path(folder).resolve()
    for parent in (start, *start.parents):
        if any((parent / marker).exists() for marker in ROOT_MARKERS[:1]):
            return str(parent)
    for parent in (start, *start.parents):
        if any((parent / marker).exists() for marker in ROOT_MARKERS[1:]):
            return str(parent)
    return str(start)


class LocalFiles:
    """Implements `evolve.core.model.ports.Files`; relative paths start at the suite's folder.

    Args:
        base_dir: the suite's folder.
        root: nothing outside it is read, also not through links; None uses `find_root`.
        also: files outside the root that may be read too, because the user named them.
        may_fetch: whether files from the web may be read; not for a failure case, which may be a stranger's.
    """

    def __init__(
        self, base_dir: str, root: str | None = None, *, also: Iterable[str] = (), may_fetch: bool = True
    ) -> None:
        self._may_fetch = may_fetch
        self._also = frozenset(os.path.realpath(path) for path in also)
        self._base = os.path.realpath(base_dir)
        self._root = os.path.realpath(root) if root else find_root(self._base)
        self._texts: dict[str, str] = {}
        self._addresses: dict[str, str] = {}

    @property
    def root(self) -> str:
        """The folder that may be read."""
        return self._root

    @property
    def base_dir(self) -> str:
        """The folder that relative paths start at."""
        return self._base

    def resolve(self, path: str) -> str:
        """Return the absolute path; raise InputError when it is outside the root."""
        joined = os.path.normpath(os.path.join(self._base, path))
        real = os.path.realpath(joined)
        if "\0" in path or not (_is_inside(real, self._root) or real in self._also):
            raise InputError(
                Problem(f"{path} is outside {self._root}", hint="a suite reads only files of its checkout")
            )
        return joined

    def read_text(self, path: str) -> str:
        """Return the text of a file, without a byte order mark; each file is read once.

        Raises:
            InputError: the file is missing, too large, binary, not UTF-8, or outside the root.
        """
        full = self.resolve(path)
        if full not in self._texts:
            self._texts[full] = _read(full, self.shown(full))
        return self._texts[full]

    def fetch(self, url: str) -> str:
        """Return the path under which the text behind an address can be read here; it is fetched once.

        Raises:
            InputError: it cannot be fetched.
        """
        if not self._may_fetch:
            raise InputError(
                Problem(f"{url} is not fetched: failure cases, and suites under --safe, name no files of the web")
            )
        name = hashlib.sha256(url.encode()).hexdigest()
        path = os.path.join(self._base, ".fetched", name, os.path.basename(urlsplit(url).path))
        if path not in self._texts:
            self._texts[path] = fetch_text(url)
            self._addresses[path] = url
        return path

    def read_bytes(self, path: str) -> bytes:
        """Return the bytes of a file that need not be text, under the same limits."""
        full = self.resolve(path)
        return _read_bytes(full, self.shown(full))

    def glob(self, pattern: str) -> Sequence[str]:
        """Return the absolute paths of the files that match, sorted; empty when none does.

        Raises:
            InputError: the pattern, or a file that it finds, is outside the root; or it finds more than 10,000 files.
        """
        # Before the first wildcard: a pattern such as /** must not walk the whole machine.
        fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        self.resolve(fixed[: fixed.rfind("/") + 1] or ".")
        full = os.path.join(self._base, pattern)
        matches = (path for path in glob.iglob(full, recursive=True) if os.path.isfile(path))
        found = sorted(islice(matches, _MAX_FILES + 1))
        if len(found) > _MAX_FILES:
            text = f"{pattern} finds more than {_MAX_FILES:,} files"
            raise InputError(Problem(text, hint="name a folder, or a narrower pattern"))
        return [self.resolve(path) for path in found]

    def exists(self, path: str) -> bool:
        """Return whether a readable path names a file; False for everything outside the root."""
        # The system refuses such paths: 4096 bytes is PATH_MAX on Linux.
        if "\0" in path or len(path) > 4096:
            return False
        joined = os.path.join(self._base, path)
        return _is_inside(os.path.realpath(joined), self._root) and os.path.isfile(joined)

    def shown(self, path: str) -> str:
        """Return a path for messages and labels: relative to the suite's folder when it is inside it."""
        if path in self._addresses:
            return self._addresses[path]
        relative = os.path.relpath(path, self._base)
        return relative if not relative.startswith("..") else path


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _read(full: str, shown: str) -> str:
    data = _read_bytes(full, shown)
    # The beginning is enough: binary formats have a NUL in their header.
    if b"\0" in data[:65536]:
        raise InputError(Problem(f"{shown} is a binary file, not text"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(Problem(f"{shown} is not UTF-8 (line {line})", hint="save it as UTF-8")) from None


def _read_bytes(full: str, shown: str) -> bytes:
    try:
        size = os.stat(full).st_size
        if size > MAX_BYTES:
            message = f"{shown} has {size / 1e6:.1f} MB, the limit is {MAX_BYTES / 1e6:.1f} MB"
            raise InputError(Problem(message, hint="split it into several files"))
        if not os.path.isfile(full):
            raise InputError(
                Problem(f"{shown} is a folder, not a file" if os.path.isdir(full) else f"{shown} is not a regular file")
            )
        return Path(full).read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(f"no such file: {shown}", hint=_similar(full))) from None
    except OSError as error:
        raise InputError(Problem(f"cannot read {shown}: {error.strerror}")) from None


def _similar(full: str) -> str:
    folder, name = os.path.split(full)
    try:
        return did_you_mean(name, os.listdir(folder))
    except OSError:
        return ""
