"""Which JavaScript needs Node.js: TypeScript, modules other than relative ones, and names that only Node has.

All other code runs in the embedded engine, which starts in a millisecond and needs nothing installed.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from evolve.core.model.errors import InputError

TYPESCRIPT_SUFFIXES: Final = (".ts", ".mts", ".cts", ".tsx")
JAVASCRIPT_SUFFIXES: Final = (".js", ".cjs", ".mjs", *TYPESCRIPT_SUFFIXES)
"""Files with code in JavaScript or TypeScript."""
_MAX_FILES: Final = 100
"""As many as the embedded engine loads; a file with more goes to Node."""

_TOKENS: Final = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<regex>(?<=[=(,:;!&|?{}\[])[ \t]*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/)"
    r"|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<template>`(?:\\.|[^`\\])*`)",
    re.DOTALL,
)
_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
_SPECIFIER: Final = re.compile(
    r"""\brequire\s*\(\s*(['"])(?P<required>[^'"\n]+)\1\s*\)|\b(?:from|import)\s*(['"])(?P<imported>[^'"\n]+)\3"""
)
_NAMES: Final = re.compile(
    r"(?<![\w$.])(?:"
    r"process\s*(?:\?\.|[.\[])"
    r"|fetch\b(?!\s*(?::|=[^=]))|queueMicrotask\s*\("
    r"|new\s+(?:AbortController|Headers|Request|Response|FormData|Blob|ReadableStream|BroadcastChannel|MessageChannel)\b"
    r"|(?:crypto|performance|WebAssembly|Intl)\s*\."
    r"|Buffer\.(?!from\b|byteLength\b|isBuffer\b)"
    r"|import\s*\((?!\s*\)))"
    r"|\.toLocale(?:Date|Time)String\s*\("
    r"|=\s*(?:globalThis\.)?process\s*;"
)
"""Signs of Node or of the network. A false alarm only starts Node."""
_OF_FILES: Final = re.compile(r"(?<![\w$.])(?:__dirname\b|__filename\b|import\.meta\b|require\s*(?:\.|\(\s*[^\s'\"]))")
"""Names that files have in Node, in addition."""
_SYNTAX: Final = re.compile(
    r"^(?:export\s+default\s+|(?:export\s+)?(?:const|let|var)\s+[^=\n]+=\s*)?await\b|^for\s+await\b"
    r"|^[ \t]*export\s*(?:\*|\{[^}]*\})[^;\n]*\bfrom\b",
    re.MULTILINE,
)
"""Statements of modules that the embedded engine cannot take: `await` outside of functions, `export ... from`."""


class _Scan(NamedTuple):
    """What one file shows: whether it needs Node itself, and the relative modules that it imports."""

    needs_node: bool
    relative: tuple[str, ...]


def is_typescript(path: str) -> bool:
    """Return whether a path names TypeScript."""
    return path.endswith(TYPESCRIPT_SUFFIXES)


def code_needs_node(code: str) -> bool:
    """Return whether inline code needs Node; it has no `require` of its own, as in promptfoo."""
    return bool(_NAMES.search(_TOKENS.sub(_code_of, code)))


def file_needs_node(path: str, read: Callable[[str], str]) -> bool:
    """Return whether a file, or a file that it imports by a relative path, needs Node.

    Args:
        path: the file's absolute path.
        read: returns the text of a file; raises InputError when there is none.
    """
    for number, name in enumerate(imported_files(path, read)):
        if is_typescript(name) or number >= _MAX_FILES:
            return True
        if not name.endswith(".json") and _scan(read(name)).needs_node:
            return True
    return False


def imported_files(path: str, read: Callable[[str], str]) -> Iterator[str]:
    """Yield a file and the files that it imports by relative paths, directly or not; those that are missing not.

    Args:
        path: the file's absolute path.
        read: as in `file_needs_node`.
    """
    waiting, seen = [path], {path}
    while waiting:
        current = waiting.pop()
        yield current
        for name in () if current.endswith(".json") else _scan(read(current)).relative:
            found = _find(posixpath.normpath(posixpath.join(posixpath.dirname(current), name)), read)
            if found and found not in seen:
                seen.add(found)
                waiting.append(found)


def _find(path: str, read: Callable[[str], str]) -> str | None:
    endings = ("", *JAVASCRIPT_SUFFIXES, ".json", "/index.js", "/index.ts")
    for candidate in (path + ending for ending in endings):
        try:
            read(candidate)
        except InputError:
            continue
        return candidate
    return None


@lru_cache(maxsize=1024)  # a file is called once for each answer
def _scan(source: str) -> _Scan:
    without_comments = _TOKENS.sub(lambda found: " " if found["comment"] else found[0], source)
    names = [found["required"] or found["imported"] for found in _SPECIFIER.finditer(without_comments)]
    relative = tuple(name for name in names if name.startswith("."))
    code = _TOKENS.sub(_code_of, source)
    needs_node = len(relative) < len(names) or any(sign.search(code) for sign in (_NAMES, _OF_FILES, _SYNTAX))
    return _Scan(needs_node, relative)


def _code_of(token: re.Match[str]) -> str:
    """Return what of a token is code: of a template its placeholders, of other texts only the quotes."""
    if token["comment"]:
        return " "
    if token["template"]:
        return " ".join(_PLACEHOLDER.findall(token[0])) or "''"
    return "''"
