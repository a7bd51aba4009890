"""Turns labels (right answers and harmful ones) into assertions that any runner of suites understands."""

from collections.abc import Mapping, Sequence

from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

Assertion = Mapping[str, JsonValue]

_ACCURACY, _HARM = "accuracy", "harm"


def answer_key(output: Mapping[str, JsonValue]) -> str | None:
    """Return the only property of an agent's output that has an enum; None if there is none or more than one."""
    properties = output.get("properties")
    if not isinstance(properties, dict):
        return None
    closed = [name for name, part in properties.items() if isinstance(part, dict) and "enum" in part]
    return closed[0] if len(closed) == 1 else None


def answers(output: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Return the answers in the enum of the agent's output; empty where `answer_key` is None."""
    key, properties = answer_key(output), output.get("properties")
    part = properties.get(key) if key and isinstance(properties, dict) else None
    known = part.get("enum") if isinstance(part, dict) else None
    return list(known) if isinstance(known, list) else []


def label_assertions(
    output: Mapping[str, JsonValue], accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue]
) -> tuple[Assertion, ...]:
    """Return `is-json` assertions that check an answer against the labels; none where `answer_key` is None."""
    key = answer_key(output)
    if key is None:
        return ()
    found: list[Assertion] = []
    if accepted:
        found.append(_is_json(_ACCURACY, key, {"enum": list(accepted)}))
    if forbidden:
        found.append(_is_json(_HARM, key, {"not": {"enum": list(forbidden)}}))
    return tuple(found)


def without_labels(assertions: Sequence[Assertion]) -> tuple[Assertion, ...]:
    """Return the assertions without those that `label_assertions` made."""
    return tuple(part for part in assertions if not _is_label(part))


def label_problems(
    output: Mapping[str, JsonValue], accepted: Sequence[JsonValue], forbidden: Sequence[JsonValue]
) -> list[str]:
    """Return every reason why these cannot be the labels of a case."""
    known = answers(output)
    names = [name for name in known if isinstance(name, str)]
    problems = []
    for word, given in (("accepted", accepted), ("forbidden", forbidden)):
        for answer in given:
            if known and answer not in known:
                hint = did_you_mean(str(answer), names) or f"known: {', '.join(map(str, known))}"
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
