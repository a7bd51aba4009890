"""The sides of a mapping into a container: `host:container`. The container's side is the image's, not the role's."""

import re
from collections.abc import Iterable
from typing import Final

_PORTS: Final = re.compile(r"((?:^|[\s\"'\[:])\d{2,5}):\d{1,5}(?=(?:/(?:tcp|udp))?[\"']?\s*(?:$|[\],]))")
_PATHS: Final = re.compile(r"(?<=[\w/}~]):(/(?!/)[^\s:\"',\]}]+)")
_MOUNT: Final = re.compile(r"^\s*(?:-\s+)?[\"']?(?:mountPath|target)[\"']?\s*[:=]\s*[\"']?(/[^\s\"',]+)")


_PROXY_LABEL: Final = "loadbalancer.server.port"
"""Traefik's label with the port of the container."""
_PORT_NAME: Final = re.compile(r"port\w*\b", re.IGNORECASE)


def opaque(expression: str) -> str:
    """Return as many characters as the expression has; of a port, so that `{{ port }}:80` is no address."""
    return "}" * (len(expression) - 1) + ("~" if _PORT_NAME.search(expression) else "}")


def without_container_side(line: str) -> str:
    """Return the line with the container's port or path of a mapping blanked out, of the same length."""
    if _PROXY_LABEL in line:
        return " " * len(line)
    line = _PORTS.sub(lambda found: found[1] + " " * (len(found[0]) - len(found[1])), line)
    line = _PATHS.sub(_blank, line)
    return _MOUNT.sub(lambda found: found[0][: found.start(1) - found.start()] + " " * len(found[1]), line)


def container_paths(lines: Iterable[str]) -> frozenset[str]:
    """Return the paths into which a file mounts something; its other lines may name them for programs inside."""
    return frozenset(
        found[1].rstrip("/") for line in lines for pattern in (_PATHS, _MOUNT) for found in pattern.finditer(line)
    )


def is_in_container(path: str, mounts: Iterable[str]) -> bool:
    """Return whether a path is one of the mounts, or above or below one."""
    here = f"{path.rstrip('/')}/"
    return path.startswith("/") and any(
        f"{mount}/".startswith(here) or here.startswith(f"{mount}/") for mount in mounts
    )


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])
