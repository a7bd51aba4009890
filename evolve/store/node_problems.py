"""What Node finds in a file before it runs, as problems for the user."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve.core.javascript.node_needs import is_typescript
from evolve.core.model.errors import Location, Problem


def problem_of(found: Mapping[str, Any]) -> Problem:
    """Return the problem for one finding of the operation `check` of `node_child.cjs`."""
    file, kind = found["file"], found["kind"]
    where = Location(shown(file), found.get("line"), found.get("column"))
    if kind == "package":
        return package_problem(found["name"], os.path.dirname(file), where)
    if kind == "file":
        return Problem(f"no such file: {found['name']}", where)
    if kind == "unsupported":
        hint = f"Node.js only leaves out types; write it as JavaScript, or type: {tsx_command(file)}"
        return Problem(str(found["message"]), where, hint, is_missing_here=True)
    if kind == "esm":
        hint = "name it .mjs, or install a newer Node.js"
        return Problem(str(found["message"]), where, hint, is_missing_here=True)
    language = "TypeScript" if is_typescript(file) else "JavaScript"
    return Problem(f"not {language}: {found['message']}", where)


def package_problem(name: str, folder: str, where: Location | None) -> Problem:
    """Return the problem of a package that is not installed, with the command that installs it.

    Args:
        name: as the code imports it.
        folder: of the code.
        where: the import.
    """
    package = "/".join(name.split("/")[: 2 if name.startswith("@") else 1])
    place = _package_folder(folder)
    words = "npm install" if package in _dependencies(place) else f"npm install {shlex.quote(package)}"
    hint = f"type: cd {shlex.quote(place)} && {words}"
    return Problem(f"the package {package!r} is not installed", where, hint, is_missing_here=True)


def tsx_command(file: str) -> str:
    """Return the command that installs tsx for a file."""
    return f"cd {shlex.quote(_package_folder(os.path.dirname(file)))} && npm install tsx"


def shown(path: str) -> str:
    """Return a path for messages: relative to the working folder when it is inside it."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def _package_folder(folder: str) -> str:
    """Return the nearest folder with a package.json, else the folder itself."""
    for place in (Path(folder), *Path(folder).parents):
        if (place / "package.json").is_file():
            return str(place)
    return folder


def _dependencies(folder: str) -> frozenset[str]:
    try:
        package = json.loads(Path(folder, "package.json").read_text("utf-8"))
    except (OSError, ValueError):
        return frozenset()
    kinds = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
    listed = [package.get(kind) for kind in kinds] if isinstance(package, dict) else []
    return frozenset(name for part in listed if isinstance(part, dict) for name in part)
