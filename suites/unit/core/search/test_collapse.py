"""A candidate that gives one answer to almost everything: when it is one, and when the set is like that."""

import pytest

from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Test
from evolve.core.search.collapse import collapse
from evolve.core.search.tasks import Score, Task


def tasks(labels: str) -> list[Task]:
    """A case for each letter, its right answer; a dot is a case that only assertions judge."""
    made = []
    for number, label in enumerate(labels):
        accepted: tuple[JsonValue, ...] = () if label == "." else ({"tool": label},)
        made.append(Task(f"{number}", "", f"{number}", "train", {}, Test({}, ()), (accepted or (None,))[0], accepted))
    return made


def scores(answers: str, labels: str) -> dict[str, Score]:
    pairs = enumerate(zip(answers, labels, strict=True))
    return {str(n): Score(float(a == b), a == b, "", {"tool": a}) for n, (a, b) in pairs}


@pytest.mark.parametrize(
    ("labels", "own", "before", "is_collapse"),
    [
        ("hmvsrhhhhhhw", "hhhhhhhhhhsw", "mmvsrmmmvvsw", True),
        ("hmvsrwhmvsrw", "hhhhhhhhhhhh", "hmvsrwmmmvvs", True),
        ("hmvsrwhmvsrw", "hmvsrwhmvsrh", "mmmmmmmmmmmm", False),
        ("hhhhhhhhhhhm", "hhhhhhhhhhhh", "mmmmhhhhhhhm", False),
        ("hmvsrwhmvsrw", "mmmmmmmmmvsr", "mmmmmmmmmmmm", False),
        ("hmvsrwhmvsrw", "hhhhhhhhhvsr", "mmmmmmmmmmmm", True),
        ("hmvsrw", "hhhhhh", "mmmmmm", False),
    ],
)
def test_one_answer_on_most_of_a_set_with_several_is_a_collapse(labels, own, before, is_collapse):
    found = collapse(tasks(labels), scores(own, labels), scores(before, labels))
    assert bool(found) is is_collapse
    assert not found or ('{"tool": "h"} to ' in found and "cases, where" in found)


def test_without_right_answers_what_passed_counts():
    before = {str(n): Score(0.0, False, "", f"answer {n}") for n in range(12)}
    alike = {str(n): Score(float(n < 3), n < 3, "", "Look at the log.") for n in range(12)}
    assert 'answers "Look at the log." to 12 of 12 cases, where 3 have that answer' in collapse(
        tasks("." * 12), alike, before
    )
    right = {str(n): Score(1.0, True, "", "OK") for n in range(12)}
    assert collapse(tasks("." * 12), right, before) == ""
