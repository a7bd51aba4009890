"""Which variables a template with blocks needs, whatever its conditions decide."""

import pytest

from evolve.core.suites.references import names_needed_by
from evolve.core.templating.needed_names import needed_names


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (
            "{% for m in messages %}{{ m.role }}: {{ tone }}{% endfor %} {{ question | upper }}",
            "messages tone question",
        ),
        ("{% if context %}{{ context }}{% else %}{{ other }}{% endif %}{{ q }}", "q"),
        ("{% set x = a %}{{ x }} {{ y.z[0] }}", "y"),
        ("{{ a | default('b') }}{{ c or d }}{{ e if f }}{# {{ g }} #}{{ h }}", "h"),
        ("{% macro m(x) %}{{ x }}{{ free }}{% endmacro %}{{ m(1) }}", ""),
        ("{% raw %}{{ no }}{% endraw %}{{ yes }}", "yes"),
        ("{% for key, value in pairs %}{{ key }}{{ value }}{{ loop.index }}{% endfor %}", "pairs loop"),
        ("{% if x %} never ends {{ a }}", ""),
        ("{% include 'x' %}{{ a }}", ""),
    ],
)
def test_names_that_are_printed_or_looped_over(template: str, names: str) -> None:
    assert needed_names(template) == frozenset(names.split())


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ '{{type}}' }} {{ \"{{state}}\" }} {{ a }}", "a"),
        ("It's {{ a }} and {{ b }}, isn't it?", "a b"),
        ("{% for m in env.LIST %}{{ loop.index }}{{ a }}{% endfor %}", "a"),
    ],
)
def test_texts_in_quotes_and_what_is_always_there_are_no_variables(template: str, names: str) -> None:
    assert names_needed_by(template) == frozenset(names.split())
