"""Templates against recorded outputs of Nunjucks and promptfoo, and what is ours alone: strictness and limits."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.templates import Templates

TABLES = Path(__file__).parents[4] / "fixtures" / "templates"
NUNJUCKS = yaml.safe_load((TABLES / "nunjucks.yaml").read_text())
PROMPTS = yaml.safe_load((TABLES / "prompts.yaml").read_text())
EMPTY = Templates("empty", NUNJUCKS["env"])
STRICT = Templates("strict", {"REGION": "eu"})


def outcome(render: Any, *arguments: Any) -> dict[str, Any]:
    try:
        return {"output": render(*arguments)}
    except CannotEvaluate:
        return {"error": True}


def recorded(case: dict[str, Any]) -> dict[str, Any]:
    return {"output": case["output"]} if "output" in case else {"error": True}


@pytest.mark.parametrize("case", NUNJUCKS["cases"], ids=lambda case: case["template"])
def test_a_template_renders_as_in_nunjucks(case: dict[str, Any]) -> None:
    ours = outcome(EMPTY.render, case["template"], NUNJUCKS["vars"])
    assert (ours == recorded(case)) != ("differs" in case)


@pytest.mark.parametrize("case", PROMPTS["cases"], ids=lambda case: case["prompt"])
def test_a_prompt_renders_as_in_promptfoo(case: dict[str, Any]) -> None:
    assert outcome(EMPTY.render_prepared, case["prompt"], EMPTY.prepare_vars(case["vars"])) == recorded(case)


@pytest.mark.parametrize(
    "case", [case for case in PROMPTS["cases"] if "output" in case], ids=lambda case: case["prompt"]
)
def test_assertions_see_the_variables_that_promptfoo_leaves(case: dict[str, Any]) -> None:
    assert EMPTY.prepare_vars(case["vars"]) == case["vars_after"]


def test_text_without_tags_comes_back_itself() -> None:
    text = "no tags { here } % # " * 50
    assert STRICT.render(text, {}) is text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ nme }}", "`nme` is not defined; did you mean `name`"),
        ("a\n\n{{ nme | upper }}", "template line 3: `nme` is not defined"),
        ("{{ user.mail }}", "`user.mail` is not defined"),
        ("{{ user.mail.host }}", "`user.mail` is not defined"),
        ("{% for x in nme %}{% endfor %}", "`nme` is not defined"),
        ("{{ 1 + nme }}", "`nme` is not defined"),
        ("{{ env.SECRET }}", "`env.SECRET` is not defined"),
        ("{% set n = nme + 1 %}", "`nme` is not defined"),
    ],
)
def test_an_undefined_variable_is_an_error_where_its_value_is_needed(template: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        STRICT.render(template, {"name": "Bob", "user": {"name": "Bob"}})


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("{% if nme %}a{% else %}b{% endif %}", "b"),
        ("{{ nme | default('d') }}", "d"),
        ("{{ nme or 'd' }}", "d"),
        ("{{ nme is defined }}", "false"),
        ("{{ 'a' if nme else 'b' }}", "b"),
        ("{% if user.mail.host %}a{% endif %}", ""),
        ("{% if nme == 'x' %}a{% endif %}", ""),
        ("{{ user.nothing }}", ""),
        ("{{ env.REGION }}", "eu"),
    ],
)
def test_strict_templates_may_ask_for_what_is_missing(template: str, output: str) -> None:
    assert STRICT.render(template, {"user": {"nothing": None}}) == output


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ x | uper }}", "no filter `uper`; did you mean `upper`"),
        ("{{ x is defned }}", "no test `defned`; did you mean `defined`"),
        ("{% include 'a.txt' %}", "'include' is not supported"),
        ("{{ x.items() }}", "Python, not JavaScript"),
        ("{{ x[1:2] }}", "slices are not supported"),
        ("{{ x | random }}", "must be repeatable"),
        ("{{ nosuch() }}", "`nosuch` cannot be called: it is not defined"),
        ("{{ x.push(1) }}", "would change a variable"),
        ("{% if x %}", "endif"),
    ],
)
def test_what_is_not_supported_is_named(template: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        EMPTY.render(template, {"x": [1, 2]})


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(999999999) %}{% endfor %}",
        "{{ 'x'.repeat(99999999) }}",
        "{{ 'x' | center(99999999) }}",
        "{{ 'x' | indent(99999999, true) }}",
        "{{ [1] | batch(99999999, 'x') }}",
        "{{ [1] | slice(99999999) }}",
        "{% set s = 'xxxxxxxxxx' %}{% for i in range(60) %}{% set s = s ~ s %}{% endfor %}",
        "{% set s = 'xxxxxxxxxx' %}{% for i in range(60) %}{% set s = s | replace('x', s) %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(99) %}0123456789{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
    ],
    ids=lambda template: template[:40],
)
def test_a_template_that_grows_without_end_is_stopped(template: str) -> None:
    with pytest.raises(CannotEvaluate):
        EMPTY.render(template, {})


@pytest.mark.parametrize(
    "path",
    ["__class__", "__class__.__mro__", "__init__.__globals__", "_strict", "constructor.constructor", "__proto__"],
)
@pytest.mark.parametrize("value", ["text", 5, [1], {"a": 1}, True, None])
def test_nothing_behind_a_value_is_reachable(path: str, value: Any) -> None:
    assert EMPTY.render("{{ x." + path + " }}", {"x": value}) == ""


def test_a_template_does_not_change_the_variables() -> None:
    given = {"list": [3, 1], "map": {"a": [1]}}
    EMPTY.render("{% set list = 1 %}{{ map.a.reverse() }}{% set map = 2 %}{% for x in map %}{% endfor %}", given)
    assert given == {"list": [3, 1], "map": {"a": [1]}}


def test_custom_filters_are_called_with_their_arguments() -> None:
    templates = Templates("strict", {}, {"twice": lambda value, mark="": f"{value}{value}{mark}"})
    assert templates.render("{{ 'a' | twice('!') }}", {}) == "aa!"


def test_strings_inside_values_are_rendered_and_keys_are_not() -> None:
    value = {"{{ x }}": ["{{ x }}", 1, None, {"k": "a{{ x }}"}]}
    assert STRICT.render_value(value, {"x": "1"}) == {"{{ x }}": ["1", 1, None, {"k": "a1"}]}


TYPOS = Templates("typos", {"REGION": "eu"})


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("[{{ absent }}]", "[]"),
        ("[{{ absent.part.deeper }}]", "[]"),
        ("{% for x in absent %}x{% endfor %}[{{ absent }}]{{ question }}", "[]why"),
        ("[{{ question.part }}]", "[]"),
        ("[{{ image2 }}]", "[]"),
        ("{{ env.REGION }}", "eu"),
    ],
)
def test_a_name_that_resembles_no_variable_prints_nothing(template: str, output: str) -> None:
    assert TYPOS.render(template, {"question": "why", "image1": "x"}) == output


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ qestion }}", "`qestion` is not defined; did you mean `question`"),
        ("{% if true %}{{ qestion }}{% endif %}", "did you mean `question`"),
        ("{% for x in qestion %}{% endfor %}", "did you mean `question`"),
        ("{{ env.NO_SUCH_KEY }}", "`env.NO_SUCH_KEY` is not defined"),
    ],
)
def test_a_name_that_resembles_one_is_an_error_and_so_is_an_environment_variable(template: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        TYPOS.render(template, {"question": "why"})
