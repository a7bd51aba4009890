"""Whatever was captured stays what it was in a case, and acts on nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from evolve.core.cases.failure_case import CaseSource, FailureCase, from_text, to_text
from evolve.core.cases.inert import (
    as_sent,
    clean,
    clean_text,
    inert,
    inert_prompt,
    is_inert,
    is_inert_prompt,
    plain,
    plain_prompt,
)
from evolve.core.templating.templates import Templates
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite

MARKS = st.sampled_from(
    ["{{", "{%", "{#", "}}", "%}", "#}", "{% raw %}", "{% endraw %}", "{%- endraw -%}", "{{ env.HOME }}", "{{x}}",
     "file://", "file:///etc/passwd", "exec:ls", "$ref", "!!python/object", "&a *a", "<<", "\n", "\t", " ", "{", "#",
     "- ", "'", '"', "\\", "\\u007b\\u007b env.HOME }}", "\x1b[31m", "\u202e", "\ud800", "0o17", "1e3", "yes",
     ": ", "2025-01-01"]
)  # fmt: skip
TEXT = st.lists(st.one_of(MARKS, st.text(max_size=6)), max_size=8).map("".join)
VALUES = st.recursive(
    st.one_of(TEXT, st.integers(-(10**9), 10**9), st.booleans(), st.none(), st.floats(allow_nan=False, width=32)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
).map(clean)


@given(TEXT)
@example("{% raw %}{{{% endraw %}")
@example("{{{%{#{")
def test_escaped_text_is_inert_and_comes_back(text: str):
    escaped = inert(text)
    assert plain(escaped) == text
    assert is_inert(escaped)
    assert "{{ env" not in escaped
    assert "file://" not in escaped


@given(TEXT.map(clean_text))
@example("{%")
@example("a {# b\nc")
def test_a_template_engine_prints_escaped_text_as_it_was(text: str):
    assert Templates("strict").render(inert(text), {}) == text


@given(TEXT.map(clean_text))
def test_a_prompt_is_sent_as_it_was(text: str):
    escaped = inert_prompt(text)
    assert is_inert_prompt(escaped)
    assert "\n" in escaped or escaped.startswith(("[", "{"))
    sent = as_sent(text)
    assert as_sent(sent) == sent == plain_prompt(escaped)


def a_case(vars: dict[str, object], prompt: str, text: str, labels: list[object]) -> FailureCase:
    source = CaseSource("incident", text, text, text, text or "x", text or "x", "2025-01-01")
    values = {f"v{key}": value for key, value in vars.items()}
    return FailureCase(
        "AGENT", "00000000000a", text, values, as_sent(f"Case: {prompt}"), source,  # type: ignore[arg-type]
        assertions=({"type": "contains", "value": f"v{text}"},), accepted=tuple(labels), family=text or "f",  # type: ignore[arg-type]
    )  # fmt: skip


CASES = st.builds(
    a_case,
    st.dictionaries(TEXT.map(clean_text), VALUES, max_size=3),
    TEXT.map(clean_text),
    TEXT.map(clean_text),
    st.lists(VALUES, max_size=2),
)


@given(CASES)
def test_a_case_is_read_as_it_was_written(case: FailureCase):
    text = to_text(case)
    assert from_text(text, "case.yaml") == case
    assert to_text(from_text(text, "case.yaml")) == text


@given(CASES)
def test_a_case_is_a_suite_whose_prompt_renders_as_it_was_sent(case: FailureCase):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.yaml"
        path.write_text(to_text(case), encoding="utf-8")
        suite = load_suite(str(path), ReadOptions(env={"HOME": "canary"}, default_providers=("echo",)))
    assert len(suite.tests) == 1
    (prompt,), (test,) = suite.prompts, suite.tests
    templates = Templates("strict", {"HOME": "canary"})
    sent = templates.render_prepared(prompt.raw, templates.prepare_vars(test.vars))
    assert "canary" not in sent
    assert as_sent(sent).rstrip("\n") == case.prompt.rstrip("\n")
