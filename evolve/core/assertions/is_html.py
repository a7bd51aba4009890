"""`is-html` and `contains-html`: the output is HTML, or seems to contain some."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote
from evolve.core.formats.html_text import html_problem, looks_like_html
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("is-html")
def is_html(check: AssertionInput) -> Verdict:
    """Pass a document or a fragment with an element that HTML knows and no text outside of elements."""
    problem = html_problem(check.text)
    if problem is not None:
        return check.verdict(False, f"Expected HTML: {problem}, got {quote(check.text)}")
    return check.verdict(True, f"Expected output that is not HTML, got {quote(check.text)}" if check.negated else "")


@assertion_type("contains-html")
def contains_html(check: AssertionInput) -> Verdict:
    """Pass when there are enough signs of HTML: tags, entities, comments, attributes."""
    holds = looks_like_html(check.text)
    if holds != check.negated:
        return check.verdict(holds, "")
    word = "no " if check.negated else ""
    return check.verdict(holds, f"Expected output to contain {word}HTML, got {quote(check.text)}")
