"""`levenshtein`: the output is at most `threshold` edits away from a text."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import TEXT, text_of, threshold_of
from evolve.core.javascript.values import number_text, units
from evolve.core.model.libraries import import_optional
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("levenshtein", value_schema=TEXT, value_required=True)
def levenshtein(check: AssertionInput) -> Verdict:
    """Pass up to `threshold` insertions, deletions and replacements of UTF-16 units; 5 without one."""
    levenshtein_distance = import_optional("rapidfuzz.distance").Levenshtein.distance
    distance = int(levenshtein_distance(units(check.text), units(text_of(check))))
    limit = threshold_of(check, 5)  # promptfoo's default
    word = "not more" if check.negated else "more"
    return check.verdict(
        distance <= limit, f"Levenshtein distance {distance} is {word} than the threshold of {number_text(limit)}"
    )
