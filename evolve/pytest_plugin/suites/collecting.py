"""Suites as pytest nodes: a file for each suite, an item for each result, and one for each split with evidence."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from evolve.core.evaluation.cut_answers import cut_at, hint_for
from evolve.core.evaluation.evidence import Evidence, judge, split_of
from evolve.core.evaluation.outcomes import is_expected_to_fail, skip_reason
from evolve.core.javascript.values import number_text
from evolve.core.model.errors import EvolveError, InputError
from evolve.core.model.events import CaseResult
from evolve.core.model.suite import Evaluation
from evolve.core.suites.units import Unit
from evolve.core.text.visible import as_utf8, visible
from evolve.evaluation.setup import LoadedSuite, evidence_of, load
from evolve.pytest_plugin.suites.ahead import Wanted
from evolve.pytest_plugin.suites.failures import suite_failure
from evolve.pytest_plugin.suites.node_names import NodeNames
from evolve.pytest_plugin.suites.session import SuiteSession
from evolve.pytest_plugin.suites.summary import CUT
from evolve.report.short_text import cut
from evolve.report.suites.text import failure_location, failure_text, failure_title

_START = 200_000
"""How many characters of a named file are searched for a suite's key: it may follow long prompts, and large files that
are no suites must not be read as a whole."""
_LOOKS_LIKE_A_SUITE = re.compile(
    r"""^\{?\s*["']?(?:prompts|providers|targets|tests|scenarios|defaultTest)["']?\s*:""", re.M
)


def is_wanted(path: Path, config: pytest.Config, *, named: bool) -> bool:
    """Return whether a file is a suite to collect: `suite_files` matches it, or it was named and looks like one."""
    try:
        relative = path.relative_to(config.rootpath).as_posix()
    except ValueError:
        relative = ""
    if relative and any(_glob(pattern).fullmatch(relative) for pattern in config.getini("suite_files")):
        return True
    # A named YAML file may belong to another plug-in (a molecule scenario, a tavern test).
    return named and _LOOKS_LIKE_A_SUITE.search(_start_of(path)) is not None


def _start_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_START)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return a glob as a pattern: `**/` is any number of folders, `*` and `?` do not match a slash."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts))


class Failed(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest's types hide it
    """The output is not what the suite requires: a failure."""

    __module__ = "builtins"  # pytest shows the name before the message; ours would fill the line


class CannotJudge(pytest.fail.Exception):  # type: ignore[name-defined, misc]
    """There is no output, or it cannot be judged: an error, never a failure."""

    __module__ = "builtins"


class SuiteFile(pytest.File):
    """One suite."""

    def __init__(self, *, session_of_suites: SuiteSession, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.suites = session_of_suites

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the items, in the suite's order.

        Raises:
            CollectError: everything that is wrong with the suite, as text.
        """
        try:
            loaded = load(_display_path(self.path), self.suites.settings)
            evidence = evidence_of(loaded.suite)
        except InputError as error:
            raise self.CollectError(str(error)) from None
        for warning in loaded.suite.warnings:
            self.warn(pytest.PytestWarning(warning))
        if self.suites.facts is not None:
            self.suites.facts.add(loaded.suite)
        judged = Judged(evidence, loaded) if evidence else None
        yield from self._items(loaded, judged)
        if judged:
            for split in judged.splits:
                item = SplitItem.from_parent(self, split=split, judged=judged, **_named(self, f"split {split}"))
                # So that -m selects it with its cases: without it nothing asserts the score.
                for name in judged.common_tags(split):
                    item.add_marker(name)
                yield item

    def _items(self, loaded: LoadedSuite, judged: "Judged | None") -> Iterator["SuiteItem"]:
        names = NodeNames()
        for unit in loaded.units:
            by_id = {evaluation.id: evaluation for evaluation in unit.evaluations}
            for name in unit.ids:
                wanted = Wanted(loaded, unit, name)
                own = _named(self, names.of(as_utf8(name)))
                item = SuiteItem.from_parent(self, wanted=wanted, judged=judged, **own)
                item.mark(by_id[name])
                if judged:
                    judged.add(item, by_id[name])
                yield item


class SuiteItem(pytest.Item):
    """One test of a suite with one prompt and one provider."""

    parent: SuiteFile

    def __init__(self, *, wanted: Wanted, judged: "Judged | None" = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.wanted = wanted
        self._judged = judged
        self.result: CaseResult | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The (first) evaluation behind the item."""
        return next(evaluation for evaluation in self.wanted.unit.evaluations if evaluation.id == self.wanted.id)

    def mark(self, evaluation: Evaluation) -> None:
        """Add the marks from the test's metadata: skip, xfail, marks, tags, and its split."""
        metadata = evaluation.test.metadata
        if not metadata:
            return
        reason = skip_reason(evaluation)
        if reason is not None:
            self.add_marker(pytest.mark.skip(reason=reason))
        if is_expected_to_fail(evaluation):
            given = metadata["xfail"]
            why = given if isinstance(given, str) else "metadata.xfail"
            self.add_marker(pytest.mark.xfail(reason=why, raises=Failed))
        for name in _tags_of(evaluation):
            self._add_tag(name)

    def _add_tag(self, name: str) -> None:
        known = self.config.stash.setdefault(_TAGS, set())
        if name not in known:
            # Register the suite's tags, so that --strict-markers accepts them.
            known.add(name)
            self.config.addinivalue_line("markers", f"{name}: a tag of a suite")
        self.add_marker(name)

    def setup(self) -> None:
        """Wait for the answer; if it cannot be judged, that is an error of the item, not a failure."""
        try:
            result = self.parent.suites.result(self, self.wanted)
        except EvolveError as error:
            raise CannotJudge(str(error), pytrace=False) from None
        self.result = result
        self.user_properties.append(("score", number_text(round(result.verdict.score, 6))))
        self.user_properties.append(("reason", as_utf8(cut(result.error or result.verdict.reason, 500))))
        self.user_properties.extend(self._place())
        limit = cut_at(result)
        if limit:
            self.user_properties.append((CUT, f"{limit}: {hint_for(result)}"))
        if result.status == "error":
            raise CannotJudge(self._text(result), pytrace=False)

    def _place(self) -> Iterator[tuple[str, str]]:
        """The place of the test, which may be in a file that the suite names; JUnit's default family has no other."""
        place = self.evaluation.test.place
        where = place.location() if place is not None else None
        if where is not None:
            yield "file", as_utf8(_display_path(Path(where.file)))
            if where.line:
                yield "line", str(where.line)

    def runtest(self) -> None:
        """Fail when the verdict is not a pass."""
        result = self.result
        if result is None or result.status == "pass":
            return
        if self._judged is not None and self._judged.is_complete(self.session, split_of(result.evaluation)):
            why = f"known: the split's score decides: {visible(_first_line(result.verdict.reason))}"
            # Without a traceback, which nobody reads here and which costs 0.1 s for each case.
            raise pytest.xfail.Exception(why, pytrace=False)
        raise Failed(self._text(result), pytrace=False)

    def teardown(self) -> None:
        """Free the result, unless a split's score needs it."""
        if self._judged is None:
            self.result = None

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return the test's place in its file."""
        place = self.evaluation.test.place
        line = place.location().line if place is not None else None
        # A test that a function made has no line, and pytest refuses a skip without one: the file's first line then.
        return self.path, (line or 1) - 1, self.name

    def _repr_failure_py(self, excinfo: Any, style: Any = None) -> Any:
        """Return what reports show: the suite's line, not ours. pytest calls this for failures and set-up errors."""
        if self.result is None or not isinstance(excinfo.value, Failed | CannotJudge):
            return super()._repr_failure_py(excinfo, style)
        return suite_failure(str(excinfo.value), failure_location(self.result), _display_path(self.path))

    def _text(self, result: CaseResult) -> str:
        again = f"run just this again: pytest {shlex.quote(self._readable_id())}"
        return f"{failure_title(result)}\n\n{failure_text(result)}\n\n{again}"

    def _readable_id(self) -> str:
        path = os.path.relpath(self.path, self.config.invocation_params.dir)
        return f"{path}::{self.name}"


def _named(parent: pytest.Collector, name: str) -> dict[str, str]:
    """Return an item's name with its id as text.

    pytest's cache (--lf, --ff, --sw, --nf) parses ids from text, where `[` has a meaning. From a name alone, pytest 9.2
    makes an id that never equals the parsed one, and so forgets that the item failed.
    """
    # A text that UTF-8 cannot hold would end the run under pytest-xdist, which sends the names.
    name = as_utf8(name)
    return {"name": name, "nodeid": f"{parent.nodeid}::{name}"}


def _display_path(path: Path) -> str:
    """Return the path for messages: relative to the working folder if the file is inside."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


_TAGS: pytest.StashKey[set[str]] = pytest.StashKey()


def _tags_of(evaluation: Evaluation) -> list[str]:
    """The names of the marks of a test: its own, and its split."""
    return [tag for key in ("marks", "tags", "split") for tag in _tags(evaluation.test.metadata.get(key))]


def _tags(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list) else []


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]


class Judged:
    """A suite with evidence about its agent: single failures are expected, and the splits' scores are asserted."""

    def __init__(self, evidence: Evidence, loaded: LoadedSuite) -> None:
        self.evidence = evidence
        self._items: dict[str, list[SuiteItem]] = {}
        self.splits = [name for name in evidence.splits if any(split_of(e) == name for e in loaded.evaluations)]
        self._selected: frozenset[int] | None = None

    def add(self, item: SuiteItem, evaluation: Evaluation) -> None:
        """Add an item to its split."""
        self._items.setdefault(split_of(evaluation), []).append(item)

    def common_tags(self, split: str) -> list[str]:
        """Return the names of the tags that all items of a split have, its own among them, sorted."""
        tags = [set(_tags_of(item.evaluation)) for item in self._items.get(split, ())]
        return sorted(set.intersection(*tags)) if tags else []

    def is_complete(self, session: pytest.Session, split: str) -> bool:
        """Return whether every case of a recorded split was selected; the score of a part would say little."""
        if split not in self.splits:
            return False
        if self._selected is None:
            self._selected = frozenset(map(id, session.items))
        return all(id(item) in self._selected for item in self._items.get(split, ()))

    def results(self, split: str) -> list[CaseResult]:
        """Return the results of a split; those that another worker's items have are requested again, from the store."""
        return [item.result or item.parent.suites.result(item, item.wanted) for item in self._items.get(split, ())]


class SplitItem(pytest.Item):
    """The score of one split against the agent's record."""

    parent: SuiteFile

    def __init__(self, *, split: str, judged: Judged, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._split = split
        self._judged = judged

    def runtest(self) -> None:
        """Fail when the split fell below its record by more than the tolerance."""
        if not self._judged.is_complete(self.session, self._split):
            pytest.skip(f"only a part of the split {self._split} was selected: each failure counts on its own")
        (verdict,) = judge(self._judged.results(self._split), self._judged.evidence)
        self.user_properties.append(("score", f"{verdict.accuracy:.6g}"))
        self.user_properties.append(("reason", verdict.text))
        if not verdict.is_kept:
            raise Failed(f"{verdict.text}\n(recorded in {self._judged.evidence.source})", pytrace=False)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return the suite's file."""
        return self.path, None, self.name


__all__ = ["SplitItem", "SuiteFile", "SuiteItem", "Unit", "is_wanted"]
