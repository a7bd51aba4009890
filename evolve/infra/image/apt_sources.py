"""Where this machine gets Debian's packages from, and which of a release's suites are there."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

APT_FOLDER = Path("/etc/apt")
ONE_LINE = re.compile(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+")
"""A line of sources.list(5): `deb [options] URI suite`."""

DEB822_URIS = re.compile(r"^URIs:((?:.*(?:\n[ \t].*)?)+?)$", re.MULTILINE | re.IGNORECASE)
"""The field of the other format of sources.list(5); an indented line continues it."""

TIMEOUT_S = 15
"""How long a mirror may take to answer; a dead one costs this once for each suite."""

HEAD_BYTES = 4096
"""How much of a release file is read: `Origin` is among its first lines."""


def source_uris(texts: Iterable[str]) -> list[str]:
    """Return the http(s) addresses that apt's source files name, in either format, each once, in order."""
    found: list[str] = []
    for text in texts:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        found += [match[1] for line in lines if (match := ONE_LINE.match(line))]
        for match in DEB822_URIS.finditer("\n".join(lines)):
            found += match[1].split()
    web = (uri.rstrip("/") for uri in found if uri.startswith(("http://", "https://")))
    return list(dict.fromkeys(web))


def machine_uris(folder: Path = APT_FOLDER) -> list[str]:
    """Return the addresses that this machine's own apt uses; empty where there is no apt."""
    files = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]
    files += sorted(folder.glob("sources.list.d/*.sources"))
    return source_uris(path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())


def suites_of(release: str) -> tuple[str, ...]:
    """Return the suites that make up a release: the first is required, the others are used where they exist."""
    return release, f"{release}-updates", f"{release}-security"


def source_lines(release: str, uris: Iterable[str]) -> list[str]:
    """Return lines for sources.list with the release's suites, from the addresses that really hold them.

    Returns:
        Empty when none holds the release itself.
    """
    lines: list[str] = []
    candidates = list(uris)
    for suite in suites_of(release):
        holder = next((uri for uri in candidates if is_debian_suite(uri, suite)), None)
        if holder is None and suite == release:
            return []
        if holder is not None:
            lines.append(f"deb {holder} {suite} main")
    return lines


def is_debian_suite(uri: str, suite: str) -> bool:
    """Return whether the address holds Debian's own suite; other archives use the same names for theirs."""
    try:
        with urllib.request.urlopen(f"{uri}/dists/{suite}/InRelease", timeout=TIMEOUT_S) as answer:
            head = answer.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return re.search(r"^Origin: Debian\s*$", head, re.MULTILINE) is not None
