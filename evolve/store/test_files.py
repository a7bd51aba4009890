"""Tests of a suite: inline, in YAML, JSON, JSONL and CSV files, from globs and Python or JavaScript generators."""

import csv
import io
import json
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from evolve.core.formats.schema_check import describe
from evolve.core.formats.yaml12 import Document, Mark, Path, read_document
from evolve.core.javascript.node_needs import JAVASCRIPT_SUFFIXES
from evolve.core.model.errors import CannotEvaluate, InputError, Location, Problem
from evolve.core.model.suite import ScriptRef
from evolve.core.suites.csv_tests import CellError, case_of_row, check_columns
from evolve.core.suites.suite_format import Findings, Source
from evolve.core.user_code.functions import call_javascript_now
from evolve.store.files import MAX_BYTES, LocalFiles
from evolve.store.prompts import parse_json, read_data, split_function
from evolve.store.references import resolve_references
from evolve.store.refused_sources import refused_source
from evolve.store.scripts import LocalScripts
from evolve.store.test_sources import find_source, meant_source

_WEB = ("https://", "http://")
_WEB_FILES = (".csv", ".json", ".jsonl", ".yaml", ".yml")
"""Files with tests that may come from the web; code may not."""
_PREFIX = "file://"


@dataclass(slots=True)
class TestReader:
    """Reads tests as sources: checked, with their places, not yet merged with defaults."""

    __test__ = False

    files: LocalFiles
    findings: Findings
    scripts: LocalScripts
    env: Mapping[str, str] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    """The files being read, outermost first: a file that names one of them would never end."""

    def read(self, listed: Any, document: Document, path: Path) -> Iterator[Source]:
        """Yield the tests of the value of a `tests` key; inline ones were checked with their document."""
        if listed is None:
            return
        if isinstance(listed, str):
            yield from self._tests_of_name(listed, document, path, is_alone=True)
        elif isinstance(listed, dict):
            yield from self._run_generator(listed, document, path)
        else:
            for index, entry in enumerate(listed):
                if entry.__class__ is dict and "path" not in entry:
                    yield self.with_files(Source(entry, document, (*path, index)))
                elif entry is not None:  # None is an inline test that was refused already
                    yield from self._entry(entry, document, (*path, index))

    def _entry(self, entry: Any, document: Document, path: Path) -> Iterator[Source]:
        if isinstance(entry, str):
            yield from self._tests_of_name(entry, document, path, is_alone=False)
        else:
            yield from self._run_generator(entry, document, path)

    def _run_generator(self, entry: Mapping[str, Any], document: Document, path: Path) -> Iterator[Source]:
        config = entry.get("config")
        yield from self._tests_of_name(entry["path"], document, (*path, "path"), is_alone=True, config=config)

    def _tests_of_name(
        self, name: str, document: Document, path: Path, *, is_alone: bool, config: Any = None
    ) -> Iterator[Source]:
        """Yield the tests of the files that one entry names; problems without a place get the entry's."""
        try:
            read = None if refused_source(name) else find_source(name)
            if read is not None:
                yield from self.made_tests(read(name, self.env), name)
                return
            for file, function in self._files_of(name):
                yield from self._guard(file, function, is_alone, config)
        except InputError as error:
            for problem in error.problems:
                where = problem.where or document.locate(*path)
                self.findings.add(replace(problem, where=where, hint=problem.hint or meant_source(name)))

    def _files_of(self, name: str) -> list[tuple[str, str | None]]:
        refused = refused_source(name)
        if refused:
            raise InputError(Problem(f"not supported by Anneal: tests from {refused}", hint="save them as a file"))
        if name.startswith(_WEB):
            if not urlsplit(name).path.lower().endswith(_WEB_FILES):
                expected = ", ".join(_WEB_FILES)
                raise InputError(Problem(f"expected an address that ends with {expected}, got {name}"))
            return [(self.files.fetch(name), None)]
        path, function = split_function(name.removeprefix(_PREFIX))
        if any(char in path for char in "*?[") and not self.files.exists(path):
            found = self.files.glob(path)
            if not found:
                raise InputError(Problem(f"no file matches {path}"))
            return [(match, function) for match in found]
        return [(self.files.resolve(path), function)]

    def _guard(self, file: str, function: str | None, is_alone: bool, config: Any) -> Iterator[Source]:
        if file in self._open:
            names = " -> ".join(self.files.shown(path) for path in [*self._open, file])
            raise InputError(Problem(f"a file names itself: {names}"))
        self._open.append(file)
        try:
            yield from self._of_file(file, function, is_alone, config)
        finally:
            self._open.pop()

    def _of_file(self, file: str, function: str | None, is_alone: bool, config: Any) -> Iterable[Source]:
        suffix = os.path.splitext(file)[1].lower()
        if suffix == ".csv":
            return self._table(file)
        if suffix == ".jsonl":
            return self._json_lines(file, is_alone)
        if suffix in (".json", ".yaml", ".yml"):
            return self._data(file, numbered=is_alone and suffix == ".json")
        if suffix == ".py":
            return self._generator(file, function, config)
        if suffix in JAVASCRIPT_SUFFIXES:
            return self._javascript_generator(file, function, config)
        if suffix in (".xlsx", ".xls"):
            raise InputError(
                Problem(
                    f"not supported by Anneal: tests in spreadsheets ({self.files.shown(file)})", hint="save it as CSV"
                )
            )
        self.files.read_text(file)
        raise InputError(Problem(f"expected tests in yaml, json, jsonl, csv or py files, got {self.files.shown(file)}"))

    # --- formats

    def _data(self, file: str, *, numbered: bool) -> Iterator[Source]:
        document = self._document(file)
        listed = document.value if isinstance(document.value, list) else [document.value]
        is_list = isinstance(document.value, list)
        for index, entry in enumerate(listed):
            path: Path = (index,) if is_list else ()
            if isinstance(entry, str) and entry.startswith(_PREFIX):
                yield from self._tests_of_name(entry, document, path, is_alone=False)
                continue
            for test in self._check(entry, document, path):
                yield _describe(test, index) if numbered else test

    def _document(self, file: str) -> Document:
        shown = self.files.shown(file)
        text = self.files.read_text(file)
        document = (
            Document(shown, text, parse_json(text, shown)) if file.endswith(".json") else read_document(text, shown)
        )
        if document.value is None or document.value == []:
            raise InputError(Problem("there are no tests in it", Location(shown)))
        document.value = resolve_references(document, self.files, set(), self.findings.problems)
        document.folder = os.path.dirname(file)
        return document

    def _check(self, entry: Any, document: Document, path: Path) -> Iterator[Source]:
        before = len(self.findings.problems)
        usable = self.findings.checked("test", entry, document, path)
        if usable is not None and not document.holds_broken(path):
            yield self.with_files(Source(usable, document, path))
        if len(self.findings.problems) > before:
            self.findings.rejected.append(Source(entry, document, path))

    def _json_lines(self, file: str, is_alone: bool) -> Iterator[Source]:
        shown, text = self.files.shown(file), self.files.read_text(file)
        index = 0
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                document = _LineDocument(shown, line, _json_line(line, shown, number), items={(): Mark(number, 1)})
                for test in self._check(document.value, document, ()):
                    yield _describe(test, index) if is_alone else test
                index += 1

    def _table(self, file: str) -> Iterator[Source]:
        shown = self.files.shown(file)
        rows = _rows(self.files.read_text(file), shown)
        _, header = next(rows, (1, []))
        if not header:
            raise InputError(Problem("there are no tests in it", Location(shown)))
        for bad in check_columns(header):
            self.findings.add(Problem(bad.message, Location(shown, 1, path=bad.column), bad.hint), bad.kind)
        for index, (line, cells) in enumerate(rows):
            if len(cells) != len(header):
                self.findings.add(
                    Problem(f"the row has {len(cells)} cells, the header {len(header)}", Location(shown, line))
                )
                continue
            try:
                test = case_of_row(dict(zip(header, cells, strict=True)), f"Row #{index + 1}")
            except CellError as bad:
                self.findings.add(Problem(bad.message, Location(shown, line, path=bad.column), bad.hint))
                continue
            yield from self._check(test, _LineDocument(shown, "", test, items={(): Mark(line, 1)}), ())

    def _generator(self, file: str, function: str | None, config: Any) -> Iterator[Source]:
        shown = self.files.shown(file)
        self.files.read_text(file)
        generate = self.scripts.function(ScriptRef(file, function), "generate_tests")
        yield from self.made_tests(_call(generate, config, file, shown, function or "generate_tests"), shown)

    def _javascript_generator(self, file: str, function: str | None, config: Any) -> Iterator[Source]:
        shown = self.files.shown(file)
        try:
            made = call_javascript_now(
                file, function, [] if config is None else [config], self.files, self.scripts
            ).value
        except CannotEvaluate as error:
            raise InputError(Problem(str(error), Location(shown))) from error
        if not isinstance(made, list):
            raise InputError(Problem(f"expected a list of tests, got {describe(made)}", Location(shown)))
        yield from self.made_tests(made, shown)

    def made_tests(self, made: list[Any], shown: str) -> Iterator[Source]:
        """Yield the tests that code made, without those that have problems, which are collected."""
        for index, test in enumerate(made):
            yield from self._check(test, Generated(shown, "", made), (index,))

    # --- other parts

    def read_default(self, name: str) -> Source | None:
        """Return the default test of a file; None when it has problems, which are collected."""
        file = self.files.resolve(name.removeprefix(_PREFIX))
        document = self._document(file)
        usable = self.findings.checked("defaultTest", document.value, document)
        return self.with_files(Source(usable, document)) if isinstance(usable, dict) else None

    def read_scenarios(self, name: str) -> list[Source]:
        """Return the scenarios of files without those that have problems, which are collected."""
        found: list[Source] = []
        for file, _ in self._files_of(name):
            document = self._document(file)
            is_list = isinstance(document.value, list)
            for index, entry in enumerate(document.value if isinstance(document.value, list) else [document.value]):
                path: Path = (index,) if is_list else ()
                usable = self.findings.checked("scenario", entry, document, path)
                if isinstance(usable, dict):
                    found.append(Source(usable, document, path))
        return found

    def with_files(self, source: Source) -> Source:
        """Return the source with `assert: file://...` and `vars: file.yaml` read."""
        listed, variables = source.value.get("assert"), source.value.get("vars")
        if listed.__class__ is not str and (variables is None or variables.__class__ is dict):
            return source
        value = dict(source.value)
        try:
            if isinstance(listed, str):
                value["assert"] = self._assertions(listed)
            if isinstance(variables, (str, list)):
                value["vars"] = self._variables([variables] if isinstance(variables, str) else variables, source)
        except InputError as error:
            for problem in error.problems:
                where = problem.where or source.document.locate(*source.path)
                self.findings.add(replace(problem, where=where))
            value |= {"assert": listed if isinstance(listed, list) else [], "vars": {}}
        return Source(value, source.document, source.path)

    def _assertions(self, name: str) -> list[Any]:
        document = self._document(self.files.resolve(name.removeprefix(_PREFIX)))
        usable = self.findings.checked("test", {"assert": document.value}, document) or {}
        listed: list[Any] = usable.get("assert") or []
        return listed

    def _variables(self, names: Iterable[str], source: Source) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        folder = os.path.join(self.files.base_dir, source.document.folder)
        for name in names:
            pattern = os.path.join(folder, name.removeprefix(_PREFIX))
            found = self.files.glob(pattern)
            if not found:
                raise InputError(Problem(f"no file matches {name}"))
            for file in found:
                value = read_data(file, self.files)
                if not isinstance(value, dict):
                    raise InputError(
                        Problem(
                            f"expected a mapping of names to values, got {describe(value)}",
                            Location(self.files.shown(file)),
                        )
                    )
                merged.update(value)
        return merged


@dataclass(slots=True)
class _LineDocument(Document):
    """A document that is one line of a file: all its parts are at that line."""

    def locate(self, *path: str | int) -> Location:
        mark = self.items[()]
        column = mark.column if self.text else None
        return Location(self.file, mark.line, column, Document(self.file, "", None).locate(*path).path if path else "")

    def locate_key(self, *path: str | int) -> Location:
        return self.locate(*path)


@dataclass(slots=True)
class Generated(Document):
    """Values that a function made: they have paths, but no lines."""

    def _read_marks(self) -> dict[Path, Mark]:
        return {}


def _describe(source: Source, index: int) -> Source:
    return (
        source
        if source.value.get("description")
        else Source({**source.value, "description": f"Row #{index + 1}"}, source.document, source.path)
    )


def _json_line(line: str, shown: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            Problem(f"not JSON: {error.msg}", Location(shown, number, error.colno), "one JSON value in each line")
        ) from None
    except RecursionError:
        raise InputError(Problem("not JSON: nested too deeply", Location(shown, number))) from None


def _rows(text: str, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table that are not blank, each with the number of its first line."""
    csv.field_size_limit(MAX_BYTES)  # a cell may be as long as its file
    reader = csv.reader(io.StringIO(text, newline=""), strict=False)
    line = 1
    try:
        for cells in reader:
            if cells and not (len(cells) == 1 and not cells[0].strip()):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(Problem(f"not CSV: {error}", Location(shown, reader.line_num))) from None


def _call(generate: Any, config: Any, file: str, shown: str, name: str) -> list[Any]:
    try:
        made = generate(config) if config is not None else generate()
        if isinstance(made, (list, tuple)) or hasattr(made, "__next__"):
            return list(made)
    except (Exception, SystemExit) as error:  # the boundary to the user's code
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        code = getattr(generate, "__code__", None)
        where = Location(shown, lines[-1] if lines else code and code.co_firstlineno)
        raise InputError(Problem(f"{name} raised {type(error).__name__}: {error}", where)) from error
    raise InputError(Problem(f"{name} must return a list of tests, it returned {describe(made)}", Location(shown)))
