"""Judges tests by the right answers in their metadata, and reports labels that the agent cannot answer.

Without this a test with `metadata.accepted` and no `assert` would pass with any answer, and a search would optimise for
a misspelt label.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from evolve.core.cases.labels import answer_key, answers, label_assertions
from evolve.core.model.errors import Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, Test
from evolve.core.text.did_you_mean import did_you_mean

LABEL_KEYS = ("accepted", "forbidden")
"""The metadata keys that list answers."""


def labels_of(test: Test, key: str) -> list[JsonValue]:
    """Return the answers in a test's metadata under `accepted` or `forbidden`; one answer needs no list."""
    given = test.metadata.get(key)
    return list(given) if isinstance(given, list) else [] if given is None else [given]


def judged_by_labels(test: Test, output: Mapping[str, JsonValue]) -> Test:
    """Return the test with assertions made from its labels; the test itself if it has assertions or no labels.

    Args:
        output: JSON Schema of the agent's answer.
    """
    if test.requirements:
        return test
    accepted, forbidden = labels_of(test, "accepted"), labels_of(test, "forbidden")
    if not accepted and not forbidden:
        return test
    if all(isinstance(answer, dict) for answer in (*accepted, *forbidden)):
        made = _whole_answers(accepted, forbidden)
    elif any(isinstance(answer, dict) for answer in (*accepted, *forbidden)):
        return test  # with words and whole answers mixed it is unclear what the words refer to
    else:
        made = tuple(
            Assertion("is-json", metric=str(part["metric"]), value=part["value"], place=test.place)
            for part in label_assertions(output, accepted, forbidden)
        )
    return replace(test, requirements=made) if made else test


def _whole_answers(accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue]) -> tuple[Assertion, ...]:
    """Makes assertions for labels that are whole answers, such as `{tool: light_on, room: hall}`."""
    found = []
    if accepted:
        found.append(Assertion("is-json", metric="accuracy", value={"enum": list(accepted)}))
    if forbidden:
        found.append(Assertion("is-json", metric="harm", value={"not": {"enum": list(forbidden)}}))
    return tuple(found)


def label_mistakes(test: Test, output: Mapping[str, JsonValue], agent: str) -> Iterator[Problem]:
    """Yield a problem for each label of a test that the agent can never answer, with its place in the suite.

    Args:
        output: JSON Schema of the agent's answer.
        agent: its name, for the message.
    """
    known, key = answers(output), answer_key(output)
    # A retired case is not run; the agent's schema may have changed since.
    if not known or test.metadata.get("status") == "retired":
        return
    names = [name for name in known if isinstance(name, str)]
    for word in LABEL_KEYS:
        is_list = isinstance(test.metadata.get(word), list)
        for index, label in enumerate(labels_of(test, word)):
            answer = label.get(str(key)) if isinstance(label, dict) else label
            if answer not in known:
                hint = did_you_mean(str(answer), names) or f"known: {', '.join(map(str, known))}"
                where = _place_of(test, word, *([index] if is_list else []))
                yield Problem(f"{word}: {answer!r} is not an answer of {agent}", where, hint)
    for label in labels_of(test, "accepted"):
        if label in labels_of(test, "forbidden"):
            yield Problem(f"{label!r} is both accepted and forbidden", _place_of(test, "forbidden"))


def _place_of(test: Test, *path: str | int) -> Location | None:
    return test.place.inside("metadata", *path) if test.place else None
