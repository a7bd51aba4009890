"""Shared by the operators that ask the reflector: one cluster of failures, and the adaptation agent's inputs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import Genome, number_rules
from evolve.core.search.operators._registry import Situation
from evolve.core.search.operators._rules import label_text
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count

MOST_FAILURES = 5
"""Failures in one question: enough to show what they have in common."""
_CONTRAST = 2
"""Correct cases in one question: a rule that fits the failures should not break these."""
_SHOWN_CHARS = 600
"""Characters of a case: the seven cases of a question must fit a small model's context together."""
_ANSWER_CHARS = 200
"""Characters of an answer: a wrong one may be a page of text, and its beginning shows what is wrong."""
_REASON_CHARS = 400
"""Characters of why an answer is wrong: the reasons of several assertions, or a judge's text."""
_CONFUSIONS = 3
"""Pairs of a right and a wrong answer that are named, the commonest first."""


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
        return situation.rng.sample(groups[drawn], min(MOST_FAILURES, len(groups[drawn])))
    return groups[drawn][:MOST_FAILURES]


def inputs_for(situation: Situation, failures: Sequence[Task], wish: str) -> Mapping[str, JsonValue]:
    """Return the adaptation agent's inputs: instructions, failures with both answers, and some correct cases.

    Args:
        situation: what the operator sees.
        failures: those to show; empty where the wish has cases of its own.
        wish: what to write.
    """
    genome = situation.genome
    passes = situation.passes
    contrast = situation.rng.sample(passes, min(_CONTRAST, len(passes)))
    return {
        "instructions": "\n\n".join(f"{section.title}:\n{section.body}" for section in genome.sections),
        "rules": number_rules(genome.rules) or "(none yet)",
        "failures": "\n\n".join(_failure(situation, task) for task in failures) or "(see the wish)",
        "correct": "\n\n".join(_correct(situation, task) for task in contrast) or "(none)",
        "wish": "\n".join([wish, *_confusions(situation)]),
    }


def with_section(genome: Genome, number: int, body: str) -> Genome:
    """Return the genome with another body of one section."""
    sections = list(genome.sections)
    sections[number] = replace(sections[number], body=body)
    return replace(genome, sections=tuple(sections))


def evidence(situation: Situation) -> list[str]:
    """Return what is known of each failure without the case itself: both answers, the thought and the reason."""
    scored = [(task, situation.parent.scores[task.id]) for task in situation.failures]
    return [
        " ".join([*(label_text(part) for part in (task.label, score.output, score.thought) if part), score.reason])
        for task, score in scored
    ]


def _confusions(situation: Situation) -> list[str]:
    """What is confused most often, over all failures; empty where no pair of answers comes twice."""
    pairs = Counter(
        (label_text(task.label), label_text(situation.parent.scores[task.id].output)[:_ANSWER_CHARS])
        for task in situation.failures
        if task.label is not None
    )
    often = [(pair, number) for pair, number in pairs.most_common() if number > 1][:_CONFUSIONS]
    listed = "; ".join(f"{given} in place of {right} ({count(number, 'time')})" for (right, given), number in often)
    return [f"Most often wrong, over all cases: {listed}."] if listed else []


def _failure(situation: Situation, task: Task) -> str:
    score = situation.parent.scores[task.id]
    right = "" if task.label is None else f"\nRight: {label_text(task.label)}"
    why = f"\nWrong because: {score.reason[:_REASON_CHARS]}" if score.reason else ""
    thought = f"\nThought before: {label_text(score.thought)[:_ANSWER_CHARS]}" if score.thought else ""
    return f"{_case(situation, task)}{right}{thought}\nGiven: {label_text(score.output)[:_ANSWER_CHARS]}{why}"


def _correct(situation: Situation, task: Task) -> str:
    given = label_text(situation.parent.scores[task.id].output)
    return f"{_case(situation, task)}\nRight, and given: {given[:_ANSWER_CHARS]}"


def _case(situation: Situation, task: Task) -> str:
    return situation.shown(task)[:_SHOWN_CHARS]
