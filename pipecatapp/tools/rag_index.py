"""The index of the documents: SQLite's full-text search over passages of the files of declared folders."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from evolve.core.text.inert_text import clean_text
from evolve.system.sqlite import SharedFile
from pipecatapp.tools.folder_files import FoundFile, files_of, read_text
from pipecatapp.tools.threads import Stop

_MAX_FILE: Final = 2**20
"""Bytes of a document that are indexed."""
_PASSAGE: Final = 12
"""Lines of a passage; of a match, this much is shown."""
_MAX_PASSAGE: Final = 2000
"""Characters of a passage: a file may be one line."""
_ROWS: Final = 2**20
"""Numbers of passages that each document has: those of document 3 begin at 3 * 2**20, so that they are found without a
second index."""
_WORD: Final = re.compile(r"\w+")
_MAX_WORDS: Final = 32
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    UNIQUE (folder, name)
);
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5(
    text, line UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""


class Passage(NamedTuple):
    """A part of a document that fits a query."""

    folder: str
    name: str
    line: int
    """Of the document, the first line of the text."""
    text: str


class DocumentIndex:
    """The index in its file. Files that have not changed are not read again."""

    def __init__(self, path: Path) -> None:
        """Open the index, or make it.

        Raises:
            StoreFault: the file cannot be used.
        """
        self._file = SharedFile(
            path,
            _SCHEMA,
            version=1,
            what="the index of the documents",
            durability="NORMAL",
            hint=f"delete {path} or set tools.rag.index",
            is_disposable=True,
            is_for_threads=True,
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def update(self, folders: Mapping[str, Path], stop: Stop) -> None:
        """Bring the index to what the folders hold now.

        Args:
            folders: by their names; absolute paths without links.
            stop: ends the work after a file; the next update goes on from there.
        """
        known = {
            (str(folder), str(name)): (int(id), int(size), int(changed))
            for id, folder, name, size, changed in self._file.all("SELECT * FROM documents")
        }
        for folder, path in folders.items():
            for file in files_of(path, stop):
                found = known.pop((folder, file.name), None)
                if found is None or found[1:] != (file.size, file.changed_ns):
                    self._replace(folder, file)
        with self._file.transaction():
            for id, _, _ in known.values():
                self._remove(id)

    def search(self, query: str, folder: str, limit: int) -> list[Passage]:
        """Return the passages that fit best, the best first.

        Args:
            query: words; a passage needs one of them, and those with more and rarer ones come first.
            folder: the name of the only folder that is searched; empty for all.
            limit: of passages.
        """
        words = _WORD.findall(query)[:_MAX_WORDS]
        if not words:
            return []
        # Quoted, so that no word is taken for an operator of the query language.
        match = " OR ".join(f'"{word}"' for word in words)
        rows = self._file.all(
            "SELECT folder, name, line, text FROM passages JOIN documents ON documents.id = passages.rowid / 1048576"
            " WHERE passages MATCH ? AND (? = '' OR folder = ?) ORDER BY rank LIMIT ?",
            match, folder, folder, limit,
        )  # fmt: skip
        return [Passage(*row) for row in rows]

    def _replace(self, folder: str, file: FoundFile) -> None:
        text = read_text(file.path, _MAX_FILE) if file.size <= _MAX_FILE else None
        sql = "SELECT id FROM documents WHERE folder = ? AND name = ?"
        with self._file.transaction():
            # Looked up here: another search may have indexed the file since this one began.
            old = self._file.one(sql, folder, file.name)
            if old is not None:
                self._remove(old[0])
            self._file.do(
                "INSERT INTO documents (folder, name, size, changed) VALUES (?, ?, ?, ?)",
                folder, file.name, file.size, file.changed_ns,
            )  # fmt: skip
            row = self._file.one(sql, folder, file.name)
            first = row[0] * _ROWS if row else 0
            self._file.do_many(
                "INSERT INTO passages (rowid, text, line) VALUES (?, ?, ?)",
                [
                    (first + number, clean_text(passage), line)
                    for number, (line, passage) in enumerate(passages_of(text or ""))
                ],
            )

    def _remove(self, id: int) -> None:
        self._file.do("DELETE FROM passages WHERE rowid BETWEEN ? AND ?", id * _ROWS, id * _ROWS + _ROWS - 1)
        self._file.do("DELETE FROM documents WHERE id = ?", id)


def passages_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the passages of a text with the numbers of their first lines, from 1."""
    lines = text.split("\n")
    for start in range(0, len(lines), _PASSAGE):
        passage = "\n".join(lines[start : start + _PASSAGE]).strip("\n")
        skipped = next((n for n, line in enumerate(lines[start : start + _PASSAGE]) if line), 0)
        for part in range(0, len(passage), _MAX_PASSAGE):
            line = start + 1 + skipped + passage.count("\n", 0, part)
            yield line, passage[part : part + _MAX_PASSAGE]
