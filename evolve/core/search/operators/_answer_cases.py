"""Shared by the operators that ask about all answers at once: some cases of each, as the reflector reads them."""

from collections.abc import Mapping

from evolve.core.search.operators._registry import Situation
from evolve.core.search.operators._rules import label_text
from evolve.core.search.tasks import Task

_EACH = 3
"""Cases of an answer: one is a coincidence, and of ten answers more would fill a small model's context."""
_TOTAL_CHARS = 6000
"""Characters of all cases together, about 1,500 tokens."""
_LONGEST_CASE = 400
_LEAST_ANSWERS = 2


def cases_of_answers(situation: Situation) -> Mapping[str, list[Task]]:
    """Return up to three train cases of each answer, in the schema's order; those that the parent failed come first.

    Empty where fewer than two of the schema's answers have a case: then there is nothing to tell apart.
    """
    failed = {task.id for task in situation.failures}
    labelled = situation.rng.sample(situation.labelled, len(situation.labelled))
    labelled.sort(key=lambda task: task.id not in failed)
    found: dict[str, list[Task]] = {answer: [] for answer in situation.answers}
    for task in labelled:
        own = next((answer for answer in situation.answers if _has(task, answer)), None)
        if own is not None and len(found[own]) < _EACH:
            found[own].append(task)
    known = {answer: tasks for answer, tasks in found.items() if tasks}
    return known if len(known) >= _LEAST_ANSWERS else {}


def shown_cases(situation: Situation, cases: Mapping[str, list[Task]]) -> str:
    """Return the cases as text, under their answers, with what the parent answered where it was wrong."""
    number = sum(map(len, cases.values()))
    most = min(_LONGEST_CASE, _TOTAL_CHARS // max(1, number))
    return "\n".join(
        line
        for answer, tasks in cases.items()
        for line in (f"{answer}:", *(f"- {_line(situation, task, most)}" for task in tasks))
    )


def _line(situation: Situation, task: Task, most: int) -> str:
    text = " ".join(situation.shown(task).split())[:most]
    score = situation.parent.scores.get(task.id)
    return text if score is None or score.passed else f"{text} (given: {label_text(score.output)[:_LONGEST_CASE]})"


def _has(task: Task, answer: str) -> bool:
    label = task.label
    return label == answer or (isinstance(label, dict) and answer in label.values())
