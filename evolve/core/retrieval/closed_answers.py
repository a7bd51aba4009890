"""Which answers, or parts of them, are a closed set: few different ones that come again, which words can tell apart.

An action is one of a few, and its argument is another value in nearly each case. So a classifier of words is asked for
the action alone.
"""

import json
from collections.abc import Sequence

from evolve.core.model.json_value import JsonValue

CLOSED_SET_SHARE = 3
"""Answers are a closed set when each has at least this many labelled cases on average.

With one or two cases an answer is likely free text, and words learned from it would not help with any other case.
"""


def is_closed_set(answers: Sequence[str]) -> bool:
    """Return whether there are few enough different answers for a classifier."""
    return len(set(answers)) * CLOSED_SET_SHARE <= len(answers) > 0


def open_fields(answers: Sequence[JsonValue]) -> list[str]:
    """Return the fields of answers that are objects whose values are no closed set, in the order of the answers."""
    known = [answer for answer in answers if isinstance(answer, dict)]
    fields = dict.fromkeys(name for answer in known for name in answer)
    return [name for name in fields if not is_closed_set([_text(one[name]) for one in known if name in one])]


def closed_parts(answers: Sequence[JsonValue]) -> list[str]:
    """Return each answer as JSON text without its open fields; whole where all fields are open, or none."""
    whole = [_text(answer) for answer in answers]
    opened = open_fields(answers)
    named = {name for answer in answers if isinstance(answer, dict) for name in answer}
    if is_closed_set(whole) or named == set(opened):
        return whole
    return [
        _text({name: value for name, value in answer.items() if name not in opened})
        if isinstance(answer, dict)
        else _text(answer)
        for answer in answers
    ]


def has_closed_part(answers: Sequence[JsonValue]) -> bool:
    """Return whether the answers, or what is left of them without their open fields, are a closed set of several."""
    parts = closed_parts(answers)
    return is_closed_set(parts) and len(set(parts)) > 1


def _text(answer: JsonValue) -> str:
    return json.dumps(answer, ensure_ascii=False, sort_keys=True)
