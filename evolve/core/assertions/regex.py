"""`regex`: a JavaScript regular expression matches somewhere in the output."""

from functools import lru_cache

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, non_empty_text_of, quote
from evolve.core.javascript.engine import JavaScriptError, Regex
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("regex", value_schema=NON_EMPTY_TEXT, value_required=True)
def regex(check: AssertionInput) -> Verdict:
    """Pass when the expression matches; one that is not valid fails, negated or not."""
    pattern = non_empty_text_of(check)
    try:
        holds = _compile(pattern).search(check.text)
    except JavaScriptError as exc:
        return Verdict(False, 0.0, f"Expected a JavaScript regular expression, got {quote(pattern)}: {exc}")
    if holds != check.negated:
        return check.verdict(holds, "")
    word = "not " if check.negated else ""
    return check.verdict(holds, f"Expected output to {word}match /{pattern}/, got {quote(check.text)}")


@lru_cache(maxsize=1024)  # more than the distinct patterns of most suites; each is compiled once
def _compile(pattern: str) -> Regex:
    return Regex(pattern)
