"""`starts-with`: the output begins with a text."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, non_empty_text_of, quote
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("starts-with", value_schema=NON_EMPTY_TEXT, value_required=True)
def starts_with(check: AssertionInput) -> Verdict:
    """Pass when the output starts with the text; upper and lower case differ."""
    prefix = non_empty_text_of(check)
    holds = check.text.startswith(prefix)
    if holds != check.negated:
        return check.verdict(holds, "")
    word = "not " if check.negated else ""
    return check.verdict(holds, f"Expected output to {word}start with {quote(prefix)}, got {quote(check.text[:200])}")
