"""Writes the failures of a run as cases to their folder, and reports what happened to each."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from evolve.core.cases.capture import Failure, NotCaptured, Render, make_case
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.from_result import FindAgent, failure_of
from evolve.core.cases.redaction import Redactor, environment_secrets
from evolve.core.model.errors import EvolveError
from evolve.core.model.events import CaseResult
from evolve.core.model.evolution_events import CaseRecorded
from evolve.core.model.json_value import JsonValue
from evolve.core.text.visible import visible
from evolve.store.case_agents import find_known_agent
from evolve.store.case_files import MAX_NEW, CaseFolder
from evolve.system.atomic_files import create_once

CI_FOLDER: Final = Path("reports") / "failure_cases"
"""Where new cases go in CI, below the project's folder: CI deletes the checkout and keeps artifacts."""

_KEY_BYTES: Final = 32
"""The size of the hash; a shorter key would be easier to guess."""
_MANY: Final = 10
"""Reasons that are listed at the end of a run; more would push the summary off the screen."""


class CaseMaker:
    """Makes cases from failures and writes nothing. Each worker of pytest-xdist has its own."""

    def __init__(self, redactor: Redactor, find_agent: FindAgent = find_known_agent) -> None:
        self._redactor = redactor
        self._find_agent = find_agent

    def of_result(self, result: CaseResult) -> FailureCase | NotCaptured:
        """Return the case of a suite's failed result."""
        found = failure_of(result, self._find_agent)
        if isinstance(found, NotCaptured):
            return found
        return self.of_failure(*found)

    def of_failure(self, failure: Failure, render: Render | None) -> FailureCase | NotCaptured:
        """Return the case of a failure; `render` makes the agent's prompt from redacted vars."""
        return make_case(failure, self._redactor, today=date.today().isoformat(), render=render)


class CaseWriter:
    """Writes cases and counts what happened to each failure."""

    def __init__(self, folder: CaseFolder) -> None:
        self._folder = folder
        self.events: list[CaseRecorded] = []
        self.not_captured: list[NotCaptured] = []

    def take(self, made: FailureCase | NotCaptured) -> None:
        """Record a case; one that cannot be written is reported by `lines`, because it must not end the run."""
        if isinstance(made, NotCaptured):
            self.not_captured.append(made)
            return
        try:
            event = self._folder.record(made)
        except EvolveError as error:
            self.not_captured.append(NotCaptured(made.source.test, str(error)))
            return
        if event is not None:
            self.events.append(event)

    def lines(self) -> Iterator[str]:
        """Yield the lines for the end of a run; none when nothing failed."""
        for change, words in _WORDS.items():
            found = [event for event in self.events if event.change == change]
            files = list(dict.fromkeys(event.file for event in found))
            if files and change in ("new", "regression"):
                yield f"{words}: {len(files)}"
                yield from (f"  {visible(name)}" for name in files)
            elif found:
                yield f"{words}: {len(found)}"
        if self._folder.left_out:
            yield f"new failure cases beyond the limit of one run, not written: {self._folder.left_out}"
        yield from self._not_captured_lines()

    def values(self) -> JsonValue:
        """Return the content of `lines` as JSON."""
        return {
            "recorded": [
                {"file": event.file, "fingerprint": event.fingerprint, "agent": event.agent, "change": event.change}
                for event in self.events
            ],
            "left_out": self._folder.left_out,
            "not_captured": [{"test": item.test, "reason": item.reason} for item in self.not_captured],
        }

    def _not_captured_lines(self) -> Iterator[str]:
        reasons: dict[str, list[str]] = {}
        for item in self.not_captured:
            reasons.setdefault(item.reason, []).append(item.test)
        if reasons:
            yield f"failures not saved as cases: {len(self.not_captured)}"
        for reason, tests in list(reasons.items())[:_MANY]:
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            yield f"  {visible(reason)}: {visible(tests[0])}{more}"


_WORDS: Final = {
    "new": "new failure cases",
    "regression": "REGRESSIONS, pinned cases that fail again",
    "repeat": "failures that are known cases",
    "recurred": "failures of retired cases",
}


def redactor_for(env: Mapping[str, str], cache_dir: Path, *, keeps_personal_data: bool = False) -> Redactor:
    """Return what masks the secrets of the process; runs that share a cache folder use the same placeholders."""
    return Redactor(environment_secrets(env), keeps_personal_data=keeps_personal_data, key=_redaction_key(cache_dir))


def case_folder(folder: Path, env: Mapping[str, str], project: Path, max_new: int = MAX_NEW) -> CaseFolder:
    """Return the folder of failure cases; in CI, new ones go to `reports/failure_cases` of the project.

    Args:
        folder: of the known cases.
        env: the environment; `CI` in it means an automatic run.
        project: the project's folder.
        max_new: the limit of new cases that are written.
    """
    return CaseFolder(folder, max_new=max_new, new_cases=project / CI_FOLDER if is_ci(env) else None)


def is_ci(env: Mapping[str, str]) -> bool:
    """Return whether this is an automatic run on a CI server."""
    return env.get("CI", "").lower() not in ("", "0", "false", "no")


def _redaction_key(cache_dir: Path) -> bytes:
    """Return the key of placeholders, made once; a new one each time when it cannot be stored.

    Without a key, a reader could hash guesses and compare them with the placeholders.
    """
    path = cache_dir / "redaction.key"
    fresh = secrets.token_bytes(_KEY_BYTES)
    with suppress(OSError):
        # When another process created the file first, its key is returned.
        fresh = create_once(path, fresh, mode=0o600)
    return fresh if len(fresh) == _KEY_BYTES else secrets.token_bytes(_KEY_BYTES)
