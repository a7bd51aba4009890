"""What answers without a model: the baselines that a winner must beat to be worth more than a lookup.

All learn from train cases only: labelled ones, or, where no right answers are named, the answers that passed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.closed_answers import is_closed_set, open_fields
from evolve.core.retrieval.nearest import Bm25
from evolve.core.search.argument_patterns import learn_arguments
from evolve.core.search.lookup import Lookup, nearest_vote, words_vote


class Solved(NamedTuple):
    """A train case with an answer that is right."""

    text: str
    """The case as the search shows it."""
    answer: JsonValue
    family: str


class Baseline(NamedTuple):
    """One way to answer without a model."""

    name: str
    answer: Callable[[str], JsonValue]
    """The answer to a case's text; None for none."""


def baselines(solved: Sequence[Solved]) -> list[Baseline]:
    """Return all baselines that these cases can teach; none without a case."""
    if not solved:
        return []
    texts = [case.text for case in solved]
    found = [Baseline("the nearest case's answer", _nearest(texts, [case.answer for case in solved]))]
    written = [json.dumps(case.answer, ensure_ascii=False, sort_keys=True) for case in solved]
    if is_closed_set(written):
        families = [case.family for case in solved]
        found.append(Baseline("a vote of the nearest cases", _read(nearest_vote(texts, written, families))))
        found.append(Baseline("a classifier of words", _read(words_vote(texts, written, families))))
    patterns = _with_arguments(solved)
    return [*found, Baseline("arguments copied by patterns", patterns)] if patterns else found


def _nearest(texts: Sequence[str], answers: Sequence[JsonValue]) -> Callable[[str], JsonValue]:
    index = Bm25(texts)

    def answer(text: str) -> JsonValue:
        scores = index.scores(text)
        return answers[max(range(len(answers)), key=lambda i: (scores[i], -i))]

    return answer


def _read(lookup: Lookup) -> Callable[[str], JsonValue]:
    def answer(text: str) -> JsonValue:
        found = lookup(text, "")
        value: JsonValue = json.loads(found) if found else None
        return value

    return answer


def _with_arguments(solved: Sequence[Solved]) -> Callable[[str], JsonValue] | None:
    """The action by words, and each open argument copied out of the case; None for answers without open arguments."""
    known = [(case.text, case.answer, case.family) for case in solved if isinstance(case.answer, dict)]
    texts, labels = [text for text, _, _ in known], [answer for _, answer, _ in known]
    opened = open_fields(labels)
    if not opened or not any(key not in opened for label in labels for key in label):
        return None
    closed = [json.dumps({k: v for k, v in label.items() if k not in opened}, sort_keys=True) for label in labels]
    choose = _read(words_vote(texts, closed, [family for _, _, family in known]))
    shapes: Mapping[str, list[str]] = {
        kind: [k for k in label if k in opened] for kind, label in zip(closed, labels, strict=True)
    }
    patterns = learn_arguments(texts, labels, opened)

    def answer(text: str) -> JsonValue:
        chosen = choose(text)
        if not isinstance(chosen, dict):
            return None
        wanted = shapes.get(json.dumps(chosen, sort_keys=True), [])
        return {**chosen, **{key: patterns[key].find(text) for key in wanted}}

    return answer
