"""Templates raise our errors only, whatever the text and the variables; printing and JSON agree with the engine's."""

import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from evolve.core.javascript.engine import run_javascript
from evolve.core.javascript.values import loose_equal, strict_equal, to_js_string, to_json, to_number, truthy
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.filters import FILTERS
from evolve.core.templating.templates import Templates
from evolve.core.templating.tests import TESTS

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _engine_prints_as_node(number: float) -> bool:
    """QuickJS gives small and large powers of two a digit more than ECMAScript and Node do."""
    return abs(math.frexp(number)[0]) != 0.5 or 2**-20 < abs(number) < 2**53


finite = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(_engine_prints_as_node)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
tokens = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{%-",
        "-%}",
        "{{-",
        "-}}",
        "if",
        "elif",
        "else",
        "endif",
        "for",
        "in",
        "endfor",
        "set",
        "endset",
        "macro",
        "endmacro",
        "call",
        "endcall",
        "raw",
        "endraw",
        "switch",
        "case",
        "default",
        "endswitch",
        "filter",
        "endfilter",
        "block",
        "endblock",
        "not",
        "and",
        "or",
        "is",
        "defined",
        "a",
        "b",
        "a.b",
        "a[0]",
        "1",
        "2.5",
        "'x'",
        '"y"',
        "r/x/g",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        ".",
        "|",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "~",
        "==",
        "===",
        "!=",
        "!==",
        "<",
        ">",
        "<=",
        ">=",
        "=",
        "upper",
        "dump",
        "join",
        "length",
        "range",
        "loop",
        "null",
        "\n",
        "\r\n",
    ]
)
soup = st.lists(tokens, max_size=14).map(" ".join)
texts = (
    st.text(max_size=40)
    | soup
    | soup.map(lambda text: "{{ " + text + " }}")
    | soup.map(lambda text: "{% " + text + " %}")
)
variable_sets = st.dictionaries(st.sampled_from(["a", "b", "c"]), values | soup, max_size=3)
modes = st.sampled_from(["strict", "empty"])


def allowed(render: Any, *arguments: Any) -> None:
    try:
        assert isinstance(render(*arguments), str)
    except CannotEvaluate as error:
        complaint = str(error)
    else:
        return
    assert complaint


@settings(max_examples=300, deadline=None)
@given(texts, variable_sets, modes)
@example("{{ a|batch(0) }}{{ a|slice(0) }}", {"a": [1]}, "empty")
@example("{% for a, b in c %}{{ a }}{% endfor %}", {"c": [None]}, "empty")
@example("{{ a }}", {"a": "\ud800"}, "strict")
def test_any_text_renders_or_raises_our_error(text: str, variables: dict[str, Any], mode: Any) -> None:
    templates = Templates(mode, {})
    allowed(templates.render, text, variables)
    allowed(templates.render_prepared, text, templates.prepare_vars(variables))


@settings(max_examples=300, deadline=None)
@example("select", ["0"], [None, None], "strict")
@given(st.sampled_from(sorted(FILTERS)), values, st.lists(values, max_size=3), modes)
def test_any_filter_takes_anything(name: str, value: Any, arguments: list[Any], mode: Any) -> None:
    names = [f"p{index}" for index in range(len(arguments))]
    template = "{{ x | " + name + "(" + ", ".join(names) + ") }}"
    allowed(Templates(mode, {}).render, template, {"x": value, **dict(zip(names, arguments, strict=True))})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TESTS)), values, values)
def test_any_test_takes_anything(name: str, value: Any, argument: Any) -> None:
    allowed(Templates("empty", {}).render, "{{ x is " + name + "(y) }}", {"x": value, "y": argument})


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            "at",
            "charAt",
            "concat",
            "includes",
            "indexOf",
            "join",
            "match",
            "padStart",
            "repeat",
            "replace",
            "slice",
            "split",
            "toFixed",
            "trim",
            "push",
        ]
    ),
    values,
    st.lists(values, max_size=2),
)
def test_any_method_takes_anything(name: str, value: Any, arguments: list[Any]) -> None:
    given_names = {f"p{index}": argument for index, argument in enumerate(arguments)}
    allowed(
        Templates("empty", {}).render,
        "{{ x." + name + "(" + ", ".join(given_names) + ") }}",
        {"x": value, **given_names},
    )


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        ["+", "-", "*", "/", "//", "%", "**", "~", "==", "===", "!=", "!==", "<", ">", "<=", ">=", "and", "or", "in"]
    ),
    values,
    values,
)
def test_any_operator_takes_anything(operator: str, left: Any, right: Any) -> None:
    allowed(Templates("empty", {}).render, "{{ x " + operator + " y }}", {"x": left, "y": right})


@settings(max_examples=200, deadline=None)
@given(finite)
def test_values_print_as_in_javascript(value: Any) -> None:
    names = {"value": value}
    assert to_js_string(value) == run_javascript("String(value)", names)
    assert to_json(value) == run_javascript("JSON.stringify(value)", names)
    assert to_json(value, 2) == run_javascript("JSON.stringify(value, null, 2)", names)
    assert truthy(value) == run_javascript("!!value", names)


def test_a_power_of_two_prints_as_in_node() -> None:
    assert to_js_string(2.0**-24) == "5.960464477539063e-8"


@settings(max_examples=200, deadline=None)
@given(finite | st.sampled_from(["1", " 2 ", "0x10", "", "true"]), finite | st.sampled_from([1, 2, 16, 0, True]))
def test_values_are_equal_as_in_javascript(left: Any, right: Any) -> None:
    names = {"left": left, "right": right}
    assert loose_equal(left, right) == run_javascript("left == right", names)
    if not isinstance(left, list | dict):
        assert strict_equal(left, right) == run_javascript("left === right", names)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=8) | st.from_regex(r"\s*[+-]?\d{0,20}\.?\d{0,5}(e[+-]?\d{1,3})?\s*", fullmatch=True))
def test_text_becomes_the_number_that_javascript_makes(text: str) -> None:
    expected = run_javascript("String(Number(text))", {"text": text})
    assert to_js_string(to_number(text)) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_text_inside_raw_comes_back_unchanged(text: str) -> None:
    if "{%" not in text:
        assert Templates("strict", {}).render("{% raw %}" + text + "{% endraw %}", {}) == text
