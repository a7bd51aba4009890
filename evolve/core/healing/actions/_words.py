"""Whether a failure's report names something."""

import re
from collections.abc import Iterator

from evolve.core.incidents.reading import text
from evolve.core.model.incidents import FailedJob


def report_names(failed: FailedJob, name: str) -> bool:
    """Return whether a log, an event or a check has this name as a whole word."""
    # A host's name has dots of its own, and a sentence ends with one.
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", re.IGNORECASE)
    return any(word.search(one) for one in _texts(failed))


def _texts(failed: FailedJob) -> Iterator[str]:
    evidence = failed.evidence
    yield from (evidence.logs.stdout, evidence.logs.stderr)
    yield from (text(event, "message") for event in evidence.events)
    for check in evidence.checks:
        yield from (text(check, "name"), text(check, "output"))
