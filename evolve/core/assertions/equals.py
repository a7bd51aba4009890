"""`equals`: the output is this text, number or structure."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote
from evolve.core.formats.json_text import deep_equal, parse_json
from evolve.core.javascript.values import to_js_string, to_json
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("equals")
def equals(check: AssertionInput) -> Verdict:
    """Compare a mapping, list or null with the output read as JSON, anything else with its text in JavaScript."""
    value = check.assertion.value
    if isinstance(value, str):
        holds = value == check.text
    elif value is None or isinstance(value, list | dict):
        holds = _is_json_equal(check.text, value)
    else:
        holds = to_js_string(value) == check.text
    if holds != check.negated:
        return check.verdict(holds, "")
    wanted = value if isinstance(value, str) else to_json(value)
    return check.verdict(
        holds, f"Expected output {'other than ' if check.negated else ''}{quote(wanted)}, got {quote(check.text)}"
    )


def _is_json_equal(text: str, value: JsonValue) -> bool:
    try:
        return deep_equal(parse_json(text), value)
    except ValueError:
        return False
