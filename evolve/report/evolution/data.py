"""An evolution as compact data for the page's script.

What is seen at once (candidates, cases, one letter a cell) is small and read when the page opens. The evidence (texts,
diffs, answers, reasons) is a block of its own, which the script reads when a reader first asks for some of it.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from evolve.core.evolution.candidate import CandidateRecord, Cell, cell_harmful, cell_passed
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.evolution_events import VOTE, TaskInfo
from evolve.core.model.json_value import JsonValue
from evolve.report.evolution.diff import Line, diff
from evolve.report.short_text import to_text
from evolve.report.text_table import Texts

SPLITS: Final = ("train", "val", "gate")
NOT_ASKED: Final = "."
_KINDS: Final = {"same": " ", "added": "+", "removed": "-", "gap": "@"}


def overview_data(evolution: EvolutionSummary) -> dict[str, JsonValue]:
    """Return what the script draws at once; candidates and cases are named by their place in its lists."""
    tasks = sort_tasks(evolution)
    places = {name: at for at, name in enumerate(evolution.candidates)}
    curve: list[JsonValue] = [
        [point.spent, places[point.candidate], _number(point.mean), int(point.is_best)] for point in evolution.curve
    ]
    return {
        "incumbent": _place(places, evolution.incumbent),
        "winner": _place(places, evolution.leader) if evolution.has_new_leader else -1,
        "vote": _place(places, evolution.vote),
        "phase": evolution.phase,
        "budget": _answers_at_most(evolution),
        "spent": evolution.spent,
        "tasks": [[task.id, task.description, task.family, task.split, task.status, task.file] for task in tasks],
        "candidates": [_candidate(one, places, tasks) for one in evolution.candidates.values()],
        "curve": curve,
    }


def _answers_at_most(evolution: EvolutionSummary) -> int:
    """The end of the curve's axis; only a budget in answers is known in answers."""
    started = evolution.started
    return started.budget if started and started.budget_unit == "answers" else evolution.spent


def evidence_data(evolution: EvolutionSummary) -> dict[str, JsonValue]:
    """Return the evidence of each cell and candidate: texts once, the rest by number."""
    texts = Texts()
    tasks = sort_tasks(evolution)
    candidates = list(evolution.candidates.values())
    cases: list[JsonValue] = [
        [texts.number(task.shown), texts.number(" or ".join(map(to_text, task.accepted)))] for task in tasks
    ]
    prompts: list[JsonValue] = [texts.number(one.info.text) for one in candidates]
    # Answers come last: when there are too many texts, the answers are cut short, not the prompts and cases.
    answers: list[JsonValue] = [_answers(one, tasks, texts) for one in candidates]
    changes: list[JsonValue] = [list(_changes(one, evolution)) for one in candidates]
    return {"cases": cases, "prompts": prompts, "answers": answers, "changes": changes, "texts": texts.all}


def sort_tasks(evolution: EvolutionSummary) -> list[TaskInfo]:
    """Return the cases by split and family; those that only rollouts name are at the end."""
    known = dict(evolution.tasks)
    for candidate in evolution.candidates.values():
        for name, cell in candidate.cells.items():
            if name not in known:
                known[name] = TaskInfo(name, name, "", cell[0].split)
    ranks = {split: at for at, split in enumerate(SPLITS)}
    return sorted(known.values(), key=lambda task: (ranks.get(task.split, len(ranks)), task.family))


def encode_diff(before: str, after: str) -> list[JsonValue]:
    """Return a diff for the script: per line the sign of its kind, then texts, unchanged and changed ones in turn."""
    return list(_encode(before, after))


@lru_cache(maxsize=4096)  # a live page is made again and again, and most of its diffs are known
def _encode(before: str, after: str) -> tuple[JsonValue, ...]:
    return tuple(_line(line) for line in diff(before, after))


def _line(line: Line) -> JsonValue:
    parts: list[JsonValue] = [_KINDS[line.kind]]
    for piece in line.pieces:
        if piece.is_changed != (len(parts) % 2 == 0):
            parts.append("")
        parts.append(piece.text)
    return parts


def _place(places: dict[str, int], candidate: CandidateRecord | None) -> int:
    return places[candidate.info.id] if candidate else -1


def _candidate(one: CandidateRecord, places: dict[str, int], tasks: Iterable[TaskInfo]) -> JsonValue:
    info = one.info
    parents: list[JsonValue] = [places[name] for name in info.parents if name in places]
    reasons: list[JsonValue] = list(one.reasons)
    row = "".join(_letter(one.cells.get(task.id)) for task in tasks)
    means = {split: _split_result(one, split) for split in SPLITS}
    found: dict[str, JsonValue] = {split: value for split, value in means.items() if value}
    # Events call the lookup a vote; a reader should not see a second name.
    operator = "no model" if info.operator == VOTE else info.operator
    return [info.id, parents, operator, info.note, one.status, one.spent, reasons, found, row]


def _split_result(one: CandidateRecord, split: str) -> list[JsonValue]:
    found = one.result_on(split)
    return [found.cases, found.passed, found.harmful, _number(found.mean)] if found else []


def _letter(cell: Cell | None) -> str:
    """The letter of a cell: p(ass), f(ail), h(armful), m(ixed: its repeats differ), or a dot where it was not asked."""
    if not cell:
        return NOT_ASKED
    if cell_harmful(cell):
        return "h"
    if len({rollout.passed for rollout in cell}) > 1:
        return "m"
    return "p" if cell_passed(cell) else "f"


def _changes(one: CandidateRecord, evolution: EvolutionSummary) -> Iterator[JsonValue]:
    """Diffs to each parent, and to the incumbent unless it is a parent: the other's id, then the lines."""
    incumbent = evolution.incumbent
    others = [evolution.candidates[name] for name in one.info.parents if name in evolution.candidates]
    if incumbent and others and incumbent not in others:
        others.append(incumbent)
    for other in others:
        yield [other.info.id, encode_diff(other.info.text, one.info.text)]


def _answers(one: CandidateRecord, tasks: Iterable[TaskInfo], texts: Texts) -> JsonValue:
    """Per case, in the order of the row: nothing, or each repeat's answer."""
    found: list[JsonValue] = []
    for task in tasks:
        cell = one.cells.get(task.id)
        found.append(_rollouts(cell, texts) if cell else 0)
    return found


def _rollouts(cell: Cell, texts: Texts) -> JsonValue:
    """For each repeat, one after the other: output, reason, score, letter, free, prompt, cached, completion, s."""
    flat: list[JsonValue] = []
    for rollout in sorted(cell, key=lambda item: item.repeat):
        usage = rollout.tokens
        flat += (texts.number(to_text(rollout.output)), texts.number(rollout.reason), _number(rollout.score))
        flat += (_letter((rollout,)), int(rollout.is_free), usage.prompt, usage.cached, usage.completion)
        flat.append(_number(rollout.seconds))
    return flat


def _number(value: float) -> JsonValue:
    """The number; null for infinities and not-a-number, which JSON does not have."""
    # Four digits: the page shows three, and a large run has a score in every cell.
    return round(value, 4) if math.isfinite(value) else None
