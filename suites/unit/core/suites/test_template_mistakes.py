from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite


def load(folder: Path, text: str, undefined: str = "strict") -> object:
    path = folder / "suite.yaml"
    path.write_text(text)
    return load_suite(str(path), ReadOptions(undefined=undefined, unknown_keys="error", env={}))  # type: ignore[arg-type]


def test_a_prompt_that_is_no_template_is_an_input_error_with_its_place(tmp_path: Path):
    with pytest.raises(InputError, match=r"suite\.yaml:2:6: prompts\[1\]: template line 1"):
        load(
            tmp_path,
            "prompts: ['fine {{ x }}',\n     'broken {% if x %} text']\nproviders: [echo]\ntests: [{vars: {x: a}}]\n",
        )


def test_an_unknown_filter_of_an_assertions_value_is_reported_once_for_all_tests(tmp_path: Path):
    suite = (
        "prompts: ['{{ x }}']\nproviders: [echo]\ndefaultTest: {assert: [{type: equals, value: '{{ x | uper }}'}]}\n"
    )
    with pytest.raises(InputError) as caught:
        load(tmp_path, suite + "tests: [{vars: {x: a}}, {vars: {x: b}}]\n")
    assert len(caught.value.problems) == 1
    assert "uper" in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ['\'{"a": {"b": 1}}\'', "'[{]{2}'", "'{{ x | upper }}'", "'{% raw %}{{ no }}{% endraw %}'", "'{{ x }} {# note #}'"],
)
def test_braces_that_are_fine_raise_nothing(tmp_path: Path, value: str):
    tests = f"tests: [{{vars: {{x: a}}, assert: [{{type: contains, value: {value}}}]}}]"
    assert load(tmp_path, f"prompts: [{value}]\nproviders: [echo]\n{tests}\n")


def test_the_lenient_way_leaves_it_to_the_run(tmp_path: Path):
    assert load(tmp_path, "prompts: ['{% if x %} text']\nproviders: [echo]\ntests: [{vars: {x: a}}]\n", "empty")
