"""Shared by the operators that ask the reflector: one cluster of failures, and the adaptation agent's inputs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import number_rules
from evolve.core.search.operators._registry import Situation
from evolve.core.search.operators._rules import label_text
from evolve.core.search.tasks import Task

_MOST_FAILURES = 5
"""Failures in one question: enough to show what they have in common."""
_CONTRAST = 2
"""Correct cases in one question: a rule that fits the failures should not break these."""
_SHOWN_CHARS = 600
"""Characters of a case: the seven cases of a question must fit a small model's context together."""
_ANSWER_CHARS = 200
"""Characters of an answer: a wrong one may be a page of text, and its beginning shows what is wrong."""


def cluster(situation: Situation) -> list[Task]:
    """Return up to five failures with the same expected and the same given answer; large clusters are likelier.

    Cases without a label, which only assertions judge, are one cluster: what they have in common is in the reasons.
    """
    groups: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in situation.failures:
        given = situation.parent.scores[task.id].output
        key = ("", "") if task.label is None else (label_text(task.label), label_text(given))
        groups[key].append(task)
    if not groups:
        return []
    drawn = situation.rng.choice([key for key in sorted(groups) for _ in groups[key]])
    if drawn == ("", ""):
        return situation.rng.sample(groups[drawn], min(_MOST_FAILURES, len(groups[drawn])))
    return groups[drawn][:_MOST_FAILURES]


def inputs_for(situation: Situation, failures: Sequence[Task], wish: str) -> Mapping[str, JsonValue]:
    """Return the adaptation agent's inputs: instructions, failures with both answers, and some correct cases."""
    genome = situation.genome
    passes = situation.passes
    contrast = situation.rng.sample(passes, min(_CONTRAST, len(passes)))
    return {
        "instructions": "\n\n".join(f"{section.title}:\n{section.body}" for section in genome.sections),
        "rules": number_rules(genome.rules) or "(none yet)",
        "failures": "\n\n".join(_failure(situation, task) for task in failures),
        "correct": "\n\n".join(_correct(situation, task) for task in contrast) or "(none)",
        "wish": wish,
    }


def _failure(situation: Situation, task: Task) -> str:
    score = situation.parent.scores[task.id]
    given = label_text(score.output)[:_ANSWER_CHARS]
    if task.label is None:
        return f"{_case(situation, task)}\nGiven: {given}\nWrong because: {score.reason[:_ANSWER_CHARS]}"
    return f"{_case(situation, task)}\nRight: {label_text(task.label)}\nGiven: {given}"


def _correct(situation: Situation, task: Task) -> str:
    given = label_text(situation.parent.scores[task.id].output)
    return f"{_case(situation, task)}\nRight, and given: {given[:_ANSWER_CHARS]}"


def _case(situation: Situation, task: Task) -> str:
    return situation.shown(task)[:_SHOWN_CHARS]
