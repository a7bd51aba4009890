"""Whatever a suite holds: writing it as YAML and loading that gives the same suite."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evolve.core.assertions import known_types
from evolve.core.formats.yaml12 import dump_yaml, parse_yaml
from evolve.core.model.errors import InputError
from evolve.core.model.suite import (
    Assertion,
    AssertSet,
    DerivedMetric,
    Prompt,
    ProviderSpec,
    Requirement,
    Suite,
    Test,
    TestOptions,
)
from evolve.core.suites.expand import MAX_ID, expand
from evolve.core.suites.suite_dump import dump_suite
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite

GOOD = Path(__file__).parents[2] / "fixtures" / "suites" / "good"

SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
name = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
odd_text = st.sampled_from(
    [
        "yes",
        "010",
        "0o10",
        "1e3",
        "~",
        "",
        " ",
        "null",
        "a: b",
        "- a",
        "# c",
        "2024-01-01",
        "{{x}}",
        "a\nb\n",
        "\t",
        "'",
        '"',
    ]
)
finite = st.floats(allow_nan=False, allow_infinity=False)
scalar = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | finite | text | odd_text
json_value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)


@given(json_value)
@example({"1": 1e22, "a": [1e-7, -0.0, 10**30]})
@example({"<<": {"a": 1}, "=": "=", "\x85": "\u2028"})
def test_any_value_reads_back_from_yaml(value: object) -> None:
    found = parse_yaml(dump_yaml({"k": value}), "x.yaml")  # type: ignore[dict-item]
    assert found == {"k": value}
    assert repr(found) == repr({"k": value})


# --- suites


def plain(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Text without templates and files: those have their own rules."""
    return texts.filter(lambda value: "{" not in value and not value.startswith("file://"))


words = plain(text).filter(bool)
plain_value = st.recursive(
    st.booleans() | st.integers(-9, 9) | finite | plain(text | odd_text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain(text), inner, max_size=3),
    max_leaves=5,
)
mapping = st.dictionaries(name, plain_value, max_size=2)
score = st.none() | st.integers(0, 5) | st.floats(0, 1)
weight = st.sampled_from([0, 0.5, 1.0, 2])
CHECKED = ("contains", "icontains", "equals", "starts-with")


code = words.map(json.dumps)
"""Transforms: a text in quotes is JavaScript that parses."""


def assertions() -> st.SearchStrategy[Assertion]:
    return st.builds(
        Assertion,
        type=st.sampled_from(CHECKED),
        negated=st.booleans(),
        value=words,
        threshold=score,
        weight=weight,
        metric=st.none() | words,
        transform=st.none() | code,
        provider=st.none() | words | st.fixed_dictionaries({"id": words}),
        rubric_prompt=st.none() | words,
        config=mapping,
    )


assert_sets = st.builds(
    AssertSet,
    assertions=st.lists(assertions(), min_size=1, max_size=3).map(tuple),
    threshold=score,
    weight=weight,
    metric=st.none() | words,
    config=mapping,
)
requirements: st.SearchStrategy[Requirement] = st.one_of(assertions(), assert_sets)
options = st.builds(
    TestOptions,
    prefix=plain(text),
    suffix=plain(text),
    transform=st.none() | code,
    transform_vars=st.none() | code,
    disable_var_expansion=st.booleans(),
    disable_default_asserts=st.booleans(),
    repeat=st.none() | st.integers(1, 3),
    provider=st.none() | words,
    rubric_prompt=st.none() | words,
    config=st.sampled_from([{}, {"temperature": 0.5}, {"response_format": {"type": "json_object"}}]),
)
outputs = st.sampled_from([(None, False), ("out", True), ({"a": [1]}, True)])
tests = st.builds(
    lambda output, **fields: Test(provider_output=output[0], has_provider_output=output[1], **fields),
    output=outputs,
    vars=st.dictionaries(name.filter(lambda key: key != "env"), plain_value, max_size=3),
    requirements=st.lists(requirements, max_size=3).map(tuple),
    description=plain(text),
    options=options,
    metadata=mapping,
    threshold=score,
    providers=st.none() | st.just(("p*",)),
    prompts=st.none() | st.just(("*",)),
    provider=st.none() | st.just("echo") | st.just({"id": "echo", "config": {"a": 1}}),
)
prompts = st.lists(
    st.builds(
        Prompt,
        # A suffix or a `*` makes a path or a glob of it, as in promptfoo: such a text is no prompt by itself.
        raw=words.filter(lambda raw: not Path(raw.replace("\0", "")).suffix and "*" not in raw and raw.strip()),
        label=words,
        config=mapping,
        id=st.none() | words,
    ),
    min_size=1,
    max_size=2,
)
providers = st.lists(
    st.builds(
        ProviderSpec,
        id=words.map("p".__add__),
        label=st.none() | words.map("p".__add__),
        config=mapping,
        transform=st.none() | code,
        delay_ms=st.sampled_from([0.0, 2.5]),
        env=st.dictionaries(name, plain(text), max_size=1),
    ),
    min_size=1,
    max_size=2,
)
suites = st.builds(
    Suite,
    path=st.just(""),
    base_dir=st.just(""),
    prompts=prompts.map(tuple),
    providers=providers.map(tuple),
    tests=st.lists(tests, min_size=1, max_size=3).map(tuple),
    description=plain(text),
    derived_metrics=st.lists(st.builds(DerivedMetric, name, words), max_size=2).map(tuple),
    env=st.dictionaries(name, plain(text), max_size=2),
    repeat=st.integers(1, 3),
    max_concurrency=st.none() | st.integers(1, 9),
    delay_ms=st.sampled_from([0.0, 2.5]),
)


def loaded(text_of_suite: str, root: str | None = None) -> Suite:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.yaml"
        path.write_bytes(text_of_suite.encode())
        return load_suite(str(path), ReadOptions(root=root or folder))


def essence(suite: Suite) -> Suite:
    return replace(suite, path="", base_dir="", config=None, warnings=())


@SLOW
@given(suites)
def test_a_suite_loads_back_as_it_was_written(suite: Suite) -> None:
    assert set(CHECKED) <= known_types().keys()
    assert essence(loaded(dump_suite(suite))) == suite


@SLOW
@given(suites)
def test_writing_is_stable(suite: Suite) -> None:
    once = dump_suite(suite)
    assert dump_suite(loaded(once)) == once


@SLOW
@given(suites)
def test_ids_of_any_suite_are_unique_short_lines(suite: Suite) -> None:
    ids = [evaluation.id for evaluation in expand(suite)]
    assert len(ids) == len(set(ids))
    assert all(0 < len(part) <= MAX_ID and part.isprintable() and part.strip() for part in ids)


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yaml")), ids=lambda path: path.stem)
def test_good_suites_load_back(path: Path) -> None:
    suite = load_suite(str(path))
    again = loaded(dump_suite(suite), root="/")
    assert essence(again) == essence(suite)


@SLOW
@given(st.text(max_size=200))
@example("a: &a [*a]")
@example("\ud800")
@example("- {")
@example("prompts: [a]\nproviders: [echo]\ntests: [[[[]]]]")
def test_no_text_makes_the_loader_raise_anything_else(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.yaml"
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError):
            load_suite(str(path), ReadOptions(root=folder))
