"""What a candidate changes in its agent, line by line: sections and settings, demos, and the evidence for it."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evolve.core.evolution.candidate import compare
from evolve.core.evolution.origins import origins
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.evolution.lines import gain_lines, gate_lines
from evolve.report.evolution.numbers import points, share
from evolve.report.short_text import cut
from evolve.report.terminal import Paint

_CASE_WIDTH = 100
"""Characters: the beginning of a case is enough to recognise a demo; a report may have thousands."""
_COLOURS = {"+": "green", "-": "red", "@": "dim"}


class ShownDemo(NamedTuple):
    """A solved case as `evolve diff` shows it."""

    case: str
    answer: JsonValue

    @property
    def line(self) -> str:
        """Return the demo in one line."""
        return f"{cut(' '.join(self.case.split()), _CASE_WIDTH)} => {json.dumps(self.answer, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class AgentChange:
    """The current agent and a candidate of a run, side by side."""

    run: str
    agent: str
    """NAME@VERSION."""
    candidate: str
    before: str
    """The agent's file without its evidence: its settings and sections."""
    after: str
    demos_before: Sequence[ShownDemo] | None
    """None when the agent's own bank no longer exists."""
    demos_after: Sequence[ShownDemo] | None


def change_lines(change: AgentChange, evolution: EvolutionSummary, paint: Paint) -> Iterator[str]:
    """Yield the lines of `evolve diff`, in colour where `paint` gives it."""
    yield paint(visible(f"run {change.run}: {change.agent} to candidate {change.candidate}"), "bold")
    for line in (*_text_lines(change), *_demo_lines(change)):
        colour = _COLOURS.get(line[:1], "")
        yield paint(visible(line), colour) if colour else visible(line)
    yield paint("evidence", "bold")
    yield from (visible(f"  {line}") for line in _evidence(change, evolution))


def _text_lines(change: AgentChange) -> Iterator[str]:
    before, after = change.before.splitlines(), change.after.splitlines()
    lines = list(difflib.unified_diff(before, after, change.agent, change.candidate, lineterm=""))
    yield from lines
    if not lines:
        yield "settings and sections: no change"


def _demo_lines(change: AgentChange) -> Iterator[str]:
    if change.demos_before is None or change.demos_after is None:
        yield "demos: cannot be compared: the bank of the current agent no longer exists"
        return
    before = {demo.case: demo for demo in change.demos_before}
    after = {demo.case: demo for demo in change.demos_after}
    added = [demo for case, demo in after.items() if case not in before]
    removed = [demo for case, demo in before.items() if case not in after]
    replaced = [case for case, demo in after.items() if case in before and demo.answer != before[case].answer]
    if not (added or removed or replaced):
        yield f"demos: no change, {len(after)} in the bank"
        return
    sizes = f"{len(before)} in the bank before, {len(after)} after"
    yield f"demos: {len(added)} added, {len(removed)} removed, {len(replaced)} replaced; {sizes}"
    yield from (f"- {demo.line}" for demo in removed)
    for case in replaced:
        yield f"- {before[case].line}"
        yield f"+ {after[case].line}"
    yield from (f"+ {demo.line}" for demo in added)


def _evidence(change: AgentChange, evolution: EvolutionSummary) -> Iterator[str]:
    yield from origins({name: one.info for name, one in evolution.candidates.items()}, change.candidate)
    compared = evolution.leader.info.id if evolution.has_new_leader and evolution.leader else ""
    if change.candidate == compared:
        lines = [*gain_lines(evolution), *gate_lines(evolution)]
        if evolution.gate is None:
            lines.append("gate: not opened; the candidate was not tested on cases that the search has not seen")
        yield from lines
        return
    yield "gate: this candidate did not enter it"
    incumbent, candidate = evolution.incumbent, evolution.candidates.get(change.candidate)
    for split in ("val", "train"):
        found = compare(incumbent, candidate, split) if incumbent and candidate else None
        if found:
            gained = points(found.second - found.first)
            scores = f"{share(found.first)} to {share(found.second)} ({gained} points)"
            yield f"score: {scores} on {count(found.cases, 'case')} of {split}, which the search has seen"
