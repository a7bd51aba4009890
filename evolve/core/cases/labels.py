"""Turns labels (right answers and harmful ones) into assertions that any runner of suites understands."""

from collections.abc import Mapping, Sequence

from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

Assertion = Mapping[str, JsonValue]

_ACCURACY, _HARM = "accuracy", "harm"


def answer_key(output: Mapping[str, JsonValue]) -> str | None:
    """Return the only property of an agent's output that has an enum; None if there is none or more than one.

    Of one of several objects it is the property that has a constant in each of them, as an action with arguments has.
    """
    closed = [name for name in _fields(output) if _closed_values(output, name)]
    return closed[0] if len(closed) == 1 else None


def answers(output: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Return the answers in the enum of the agent's output; empty where `answer_key` is None."""
    key = answer_key(output)
    return _closed_values(output, key) if key else []


def _fields(output: Mapping[str, JsonValue]) -> list[str]:
    return list(dict.fromkeys(name for one in _objects(output) for name in one))


def _closed_values(output: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    """The values that a property may have: of its enum, or its constant in each of several objects; else none."""
    parts = [one.get(name) for one in _objects(output)]
    if len(parts) == 1:
        known = parts[0].get("enum") if isinstance(parts[0], dict) else None
        return list(known) if isinstance(known, list) else []
    constants = [part["const"] for part in parts if isinstance(part, dict) and "const" in part]
    return constants if len(constants) == len(parts) else []


def _objects(output: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    """The properties of the output, or of each of several objects."""
    choice = output.get("anyOf")
    schemas = choice if isinstance(choice, list) else [output]
    found = [one.get("properties") for one in schemas if isinstance(one, dict)]
    return [one for one in found if isinstance(one, dict)]


def label_assertions(
    output: Mapping[str, JsonValue], accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue]
) -> tuple[Assertion, ...]:
    """Return `is-json` assertions that check an answer against the labels; none where `answer_key` is None.

    Labels that are whole answers, with arguments, make none: a case has its own checks of those.
    """
    key = answer_key(output)
    if key is None:
        return ()
    right, harmful = _words(accepted), _words(forbidden)
    found: list[Assertion] = []
    if right:
        found.append(_is_json(_ACCURACY, key, {"enum": right}))
    if harmful:
        found.append(_is_json(_HARM, key, {"not": {"enum": harmful}}))
    return tuple(found)


def _words(given: Sequence[JsonValue]) -> list[JsonValue]:
    return [one for one in given if not isinstance(one, dict)]


def without_labels(assertions: Sequence[Assertion]) -> tuple[Assertion, ...]:
    """Return the assertions without those that `label_assertions` made."""
    return tuple(part for part in assertions if not _is_label(part))


def label_problems(
    output: Mapping[str, JsonValue], accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue]
) -> list[str]:
    """Return every reason why these cannot be the labels of a case."""
    known, key = answers(output), answer_key(output)
    names = [name for name in known if isinstance(name, str)]
    problems = []
    for word, given in (("accepted", accepted), ("forbidden", forbidden)):
        for answer in given:
            value = answer.get(str(key)) if isinstance(answer, dict) else answer
            if known and value not in known:
                hint = did_you_mean(str(value), names) or f"known: {', '.join(map(str, known))}"
                problems.append(f"{word}: {answer!r} is not an answer of this agent ({hint})")
    problems += [f"{answer!r} is both accepted and forbidden" for answer in accepted if answer in forbidden]
    return problems


def _is_json(metric: str, key: str, part: JsonValue) -> Assertion:
    schema: JsonValue = {"type": "object", "required": [key], "properties": {key: part}}
    return {"type": "is-json", "metric": metric, "value": schema}


def _is_label(assertion: Assertion) -> bool:
    value, metric = assertion.get("value"), assertion.get("metric")
    if assertion.get("type") != "is-json" or metric not in (_ACCURACY, _HARM) or not isinstance(value, dict):
        return False
    properties = value.get("properties")
    if not isinstance(properties, dict) or len(properties) != 1:
        return False
    ((key, part),) = properties.items()
    inner = part.get("not") if isinstance(part, dict) and metric == _HARM else part
    labels = inner.get("enum") if isinstance(inner, dict) else None
    return isinstance(labels, list) and _is_json(str(metric), key, part) == assertion
