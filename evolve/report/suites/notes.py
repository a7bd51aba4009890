"""What a reader must know before trusting a run's figures, as plain sentences: the same on console and page."""

from collections.abc import Iterator

from evolve.core.evaluation.cut_answers import cut_note
from evolve.core.model.events import RunFinished


def run_notes(run: RunFinished) -> Iterator[str]:
    """Yield the warnings of the suites, and the note about answers that were cut."""
    for suite in run.suites:
        yield from suite.warnings
    note = cut_note([result for _, results in run.results for result in results])
    if note:
        yield note
