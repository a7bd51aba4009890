"""Templates, jobs, units and scripts as lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evolve.role_lint.homes import TextFile

_LIMIT_BYTES: Final = 256 * 1024
"""Larger files are taken for data, which no rule can judge."""
_SUFFIXES: Final = frozenset(
    [
        ".j2",
        ".jinja2",
        ".jinja",
        ".sh",
        ".bash",
        ".py",
        ".nomad",
        ".hcl",
        ".service",
        ".timer",
        ".socket",
        ".path",
        ".mount",
        ".conf",
        ".cfg",
        ".ini",
        ".env",
        ".toml",
        ".cron",
        ".yml",
        ".yaml",
        ".json",
        ".rules",
    ]
)
_COMMENT: Final = re.compile(r"\s*(#(?!!)|;|//)")
_BLOCK_COMMENT: Final = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)


def read_texts(folder: Path, *, is_template: bool) -> Iterator[TextFile]:
    """Yield the text files in a folder and below; none if the folder does not exist."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            yield from read_text(path, is_template=is_template)


def read_text(path: Path, *, is_template: bool) -> Iterator[TextFile]:
    """Yield the file, unless it is data."""
    if not path.is_file() or path.stat().st_size > _LIMIT_BYTES:
        return
    data = path.read_bytes()
    if b"\0" in data or not (is_template or path.suffix in _SUFFIXES or data.startswith(b"#!")):
        return
    text = data.decode("utf-8", "replace")
    yield TextFile(str(path), tuple(text.splitlines()), is_template or path.suffix in (".j2", ".jinja2", ".jinja"))


def without_comments(text: TextFile) -> tuple[str, ...]:
    """Return the file's lines, with those that are only a comment made empty."""
    whole = _BLOCK_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), "\n".join(text.lines))
    return tuple("" if _COMMENT.match(line) else line for line in whole.split("\n"))
