"""`finish-reason`: why the model stopped, as the provider reports it."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, quote, text_of
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("finish-reason", value_schema=NON_EMPTY_TEXT, value_required=True)
def finish_reason(check: AssertionInput) -> Verdict:
    """Pass when the provider reports this finish reason, in upper or lower case."""
    wanted, got = text_of(check), check.answer.finish_reason
    if not got:
        return check.verdict(False, f"Expected finish reason {quote(wanted)}, but the provider reported none")
    word = "other than " if check.negated else ""
    return check.verdict(
        wanted.lower() == got.lower(), f"Expected finish reason {word}{quote(wanted)}, got {quote(got)}"
    )
