"""On any output and any value that its schema lets through, a deterministic type answers or says that it cannot."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.core.assertions import find_type, known_types
from evolve.core.formats.schema_check import UnsupportedKeywordError, compile_schema
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import Verdict
from fixtures.checks import check

TYPES = [
    "bleu", "contains", "contains-all", "contains-any", "contains-html", "contains-json", "contains-sql",
    "contains-xml", "cost", "equals", "finish-reason", "function-calls", "gleu", "guardrails", "icontains",
    "icontains-all", "icontains-any", "is-html", "is-json", "is-refusal", "is-sql", "is-valid-function-call",
    "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-xml", "latency", "levenshtein", "meteor",
    "perplexity", "perplexity-score", "regex", "rouge-n", "skill-used", "starts-with", "tool-call-f1",
    "trajectory:step-count", "trajectory:tool-args-match", "trajectory:tool-sequence", "trajectory:tool-used",
    "word-count",
]  # fmt: skip
UNNEGATED = {
    "is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-refusal", "regex",
    "perplexity", "perplexity-score", "skill-used", "trajectory:tool-used",
}  # fmt: skip
"""Types whose negation is not the opposite, for reasons in their files."""

SNIPPETS = st.sampled_from(
    ["{", "}", "[", "]", '"', "'", ":", ",", "<a>", "</a>", "<b x='1'/>", "<!--",
     "<![CDATA[", "<!DOCTYPE", "<?", "&amp;",
     "SELECT ", "a ", "FROM ", "t ", "`", ";", "--", "```sql\n", "\n", "I cannot ", "//",
     "\\", "\ud800", "\0", "😀", "1e999"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=20), st.lists(SNIPPETS, max_size=8).map("".join))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
KEYS = st.sampled_from(
    ["name", "function", "arguments", "tool_calls", "type", "min", "max", "pattern", "databaseType", "allowedTables",
     "allowedColumns", "requiredElements", "properties", "required", "items", "functionCall", "toolCall", "a", "$ref",
     "trajectory", "args", "steps", "calls"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
SLOW_START = [HealthCheck.too_slow]


def fits(name: str, value: Any) -> bool:
    kind = find_type(name)
    assert kind is not None
    problems: list[str] = []

    def note(*problem: object, **details: object) -> None:
        problems.append(str(problem))

    try:
        compile_schema(kind.value_schema)(value, (), note)
    except UnsupportedKeywordError:
        return True
    return not problems and not (value is None and kind.value_required)


def answered(name: str, value: Any, output: Any, threshold: float | None, metadata: Any) -> Verdict | None:
    kind = find_type(name.removeprefix("not-"))
    assert kind is not None
    details = {"cost": 0.5, "log_probs": (-1.0, -800.0), "finish_reason": "stop", "metadata": metadata}
    try:
        verdict = kind.evaluate(check(name, value, output, threshold=threshold, **details))
    except CannotEvaluate:
        return None
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_START)
@given(
    value=VALUES,
    output=VALUES,
    threshold=st.none() | st.floats(0, 10),
    metadata=st.dictionaries(KEYS, VALUES, max_size=2),
)
def test_every_type_answers_or_says_that_it_cannot(
    name: str, value: Any, output: Any, threshold: float | None, metadata: Any
) -> None:
    if not fits(name, value):
        value = "a" if fits(name, "a") else None
    plain = answered(name, value, output, threshold, metadata)
    negated = answered(f"not-{name}", value, output, threshold, metadata)
    assert (plain is None) == (negated is None) or name == "skill-used"
    for verdict in filter(None, (plain, negated)):
        assert math.isfinite(verdict.score)
        assert -1e-9 <= verdict.score <= 1 + 1e-9
        assert verdict.reason
    if plain and negated and name not in UNNEGATED:
        assert plain.passed is not negated.passed


def test_the_types_here_are_known() -> None:
    assert set(TYPES) <= set(known_types())
