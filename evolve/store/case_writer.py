"""The one writer of a run: failures come in, cases go to their folder, and the run can say what became of each."""

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
"""Where new cases go in CI, below the project's folder: a check-out there is thrown away, an artifact is kept."""

_KEY_BYTES: Final = 32
_MANY: Final = 10


class CaseMaker:
    """Makes cases of failures; writes nothing. Workers of pytest-xdist have one each."""

    def __init__(self, redactor: Redactor, find_agent: FindAgent = find_known_agent) -> None:
        self._redactor = redactor
        self._find_agent = find_agent

    def of_result(self, result: CaseResult) -> FailureCase | NotCaptured:
        """The case of a suite's failed result."""
        found = failure_of(result, self._find_agent)
        if isinstance(found, NotCaptured):
            return found
        failure, agent = found
        # Where the suite has a prompt of its own for the agent, that was asked: the agent's file says other things.
        is_own_prompt = agent is not None and result.evaluation.prompt.label.partition("@")[0] == agent.name
        return self.of_failure(failure, agent.render if agent and is_own_prompt else None)

    def of_failure(self, failure: Failure, render: Render | None) -> FailureCase | NotCaptured:
        """The case of a failure; `render` makes the agent's prompt of redacted vars."""
        return make_case(failure, self._redactor, today=date.today().isoformat(), render=render)


class CaseWriter:
    """Writes cases and counts what became of each failure."""

    def __init__(self, folder: CaseFolder) -> None:
        self._folder = folder
        self.events: list[CaseRecorded] = []
        self.not_captured: list[NotCaptured] = []

    def take(self, made: FailureCase | NotCaptured) -> None:
        """Records a case; what cannot be written is told by `lines`, for it must not end the run."""
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
        """What to tell at the end of a run; nothing when nothing failed."""
        for change, words in _WORDS.items():
            found = [event for event in self.events if event.change == change]
            files = list(dict.fromkeys(event.file for event in found))
            if files and change in ("new", "regression"):
                yield f"{words}: {len(files)}"
                yield from (f"  {visible(name)}" for name in files)
            elif found:
                yield f"{words}: {len(found)}"
        if self._folder.left_out:
            yield f"new failure cases that were not written, for a run writes only so many: {self._folder.left_out}"
        yield from self._not_captured_lines()

    def values(self) -> JsonValue:
        """The same for machines."""
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
            yield f"failures that became no case: {len(self.not_captured)}"
        for reason, tests in list(reasons.items())[:_MANY]:
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            yield f"  {visible(reason)}: {visible(tests[0])}{more}"


_WORDS: Final = {
    "new": "new failure cases",
    "regression": "REGRESSIONS, pinned cases that fail again",
    "repeat": "failures that are known cases",
    "recurred": "failures of retired cases",
}


def redactor_for(env: Mapping[str, str], cache_dir: Path) -> Redactor:
    """Masks the process's secrets; placeholders are the same in all runs that share a cache folder."""
    return Redactor(environment_secrets(env), key=_redaction_key(cache_dir))


def case_folder(folder: Path, env: Mapping[str, str], project: Path, max_new: int = MAX_NEW) -> CaseFolder:
    """The folder of failure cases; in CI (`CI` is set) new ones go to `reports/failure_cases` of the project."""
    return CaseFolder(folder, max_new=max_new, new_cases=project / CI_FOLDER if is_ci(env) else None)


def is_ci(env: Mapping[str, str]) -> bool:
    """Whether this is an automatic run on somebody's server."""
    return env.get("CI", "").lower() not in ("", "0", "false", "no")


def _redaction_key(cache_dir: Path) -> bytes:
    """The key of placeholders, made once; a fresh one where none can be kept: without a key guesses could be tried."""
    path = cache_dir / "redaction.key"
    fresh = secrets.token_bytes(_KEY_BYTES)
    with suppress(OSError):
        # When another process was first, its key counts.
        fresh = create_once(path, fresh, mode=0o600)
    return fresh if len(fresh) == _KEY_BYTES else secrets.token_bytes(_KEY_BYTES)
