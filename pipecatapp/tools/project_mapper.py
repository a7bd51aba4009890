"""The tool `project_mapper`: a map of a declared folder of code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from evolve.core.text.counts import count
from evolve.core.text.did_you_mean import did_you_mean
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.code_map import NOTHING, CodeMap, code_map
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.folder_files import FoundFile, files_of, part_of, read_text
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool
from pipecatapp.tools.threads import Stop, in_thread

_MAX_FILE: Final = 256 * 1024
"""Bytes of a file that are parsed; larger ones are data or generated."""
_MAX_PARSED: Final = 8 * 2**20
"""Bytes that one call parses, some seconds of work."""
_SHOWN_SYMBOLS: Final = 12
_SHOWN_IMPORTS: Final = 8


class _Mapped(NamedTuple):
    file: FoundFile
    lines: int
    content: CodeMap


@tool(
    "project_mapper",
    {
        "properties": {
            "project": {"type": "string", "description": "Name of the project; not needed where there is only one."},
            "path": {"type": "string", "description": "Folder or file inside of the project."},
            "find": {"type": "string", "description": "Part of the name of a file, class or function."},
        }
    },
    risk=Risk.READ,
    timeout_s=30,
)
async def project_mapper(arguments: Arguments, context: ToolContext) -> str:
    """Find and map the parts of a code base: its files with their sizes, classes, functions and imports."""
    projects = context.config.projects
    name = _chosen(text_of(arguments, "project"), projects)
    path, find = text_of(arguments, "path"), text_of(arguments, "find").lower()
    folder = projects[name]

    def work(stop: Stop) -> str:
        return _map_text(name, folder, part_of(folder, path), find, stop)

    return await in_thread(work)


def _chosen(name: str, projects: Mapping[str, Path]) -> str:
    if not projects:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "no folder of code is configured: set tools.project_mapper")
    if not name and len(projects) == 1:
        return next(iter(projects))
    if name not in projects:
        hint = did_you_mean(name, projects) or f"known: {', '.join(projects)}"
        raise ToolProblem(ToolReason.REFUSED, f"no project {name!r} is configured ({hint})")
    return name


def _map_text(name: str, folder: Path, part: Path, find: str, stop: Stop) -> str:
    files = [file for file in files_of(folder, stop) if file.path.is_relative_to(part)]
    mapped = [one for one in _mapped(files, stop) if _is_found(one, find)]
    if find:
        lines = [line for one in mapped for line in _found_lines(one, find)]
        return "\n".join(lines) or f"nothing in {name} has {find!r} in its name"
    return "\n".join((_summary(name, files), *(line for one in mapped for line in _lines(one))))


def _mapped(files: list[FoundFile], stop: Stop) -> Iterator[_Mapped]:
    left = _MAX_PARSED
    for file in files:
        stop.check()
        text = read_text(file.path, _MAX_FILE) if file.size <= min(_MAX_FILE, left) else None
        left -= len(text or "")
        yield _Mapped(file, _line_count(text), code_map(file.name, text) if text else NOTHING)


def _line_count(text: str | None) -> int:
    return len(text.splitlines()) if text else 0


def _is_found(one: _Mapped, find: str) -> bool:
    names = (one.file.name, *(symbol.name for symbol in one.content.symbols))
    return any(find in name.lower() for name in names)


def _found_lines(one: _Mapped, find: str) -> Iterator[str]:
    if find in one.file.name.lower():
        yield from _lines(one)
        return
    for symbol in one.content.symbols:
        if find in symbol.name.lower():
            yield f"{one.file.name}:{symbol.line} {symbol.kind} {symbol.name}"


def _summary(name: str, files: list[FoundFile]) -> str:
    kinds = Counter(PurePosixPath(file.name).suffix or "others" for file in files)
    shown = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(6))
    size = sum(file.size for file in files)
    return f"{name}: {count(len(files), 'file')}, {size:,} bytes ({shown})" if files else f"{name}: no files"


def _lines(one: _Mapped) -> Iterator[str]:
    size = f"{one.lines} lines" if one.lines else f"{one.file.size:,} bytes"
    yield f"{one.file.name} ({size}{one.content.problem and f', {one.content.problem}'})"
    if one.content.imports:
        yield f"  imports {_listed(one.content.imports, _SHOWN_IMPORTS)}"
    if one.content.symbols:
        names = tuple(f"{symbol.kind} {symbol.name}:{symbol.line}" for symbol in one.content.symbols)
        yield f"  {_listed(names, _SHOWN_SYMBOLS)}"


def _listed(names: tuple[str, ...], shown: int) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
