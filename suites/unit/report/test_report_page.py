"""The frame and the templates of all pages: everything is escaped, and a missing value is an error."""

import re
from pathlib import Path

import pytest
from jinja2 import nodes
from jinja2.exceptions import UndefinedError

from evolve.report import page as page_module
from evolve.report.page import Page, _environment

TEMPLATES = Path(page_module.__file__).with_name("templates")
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))


def test_there_are_templates_for_each_page() -> None:
    assert {name.split("/")[0] for name in NAMES} == {"page.html", "parts.html", "suites", "evolution", "roles"}


@pytest.mark.parametrize("name", NAMES)
def test_no_template_turns_the_escaping_off(name: str) -> None:
    tree = _environment(False).parse((TEMPLATES / name).read_text("utf-8"))
    unsafe = {"safe", "forceescape", "tojson", "urlize", "xmlattr"}
    assert not [found.name for found in tree.find_all(nodes.Filter) if found.name in unsafe]
    assert not list(tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)))
    assert _environment(False).get_template(name).environment.autoescape is True


@pytest.mark.parametrize("name", NAMES)
def test_attributes_of_a_template_are_quoted(name: str) -> None:
    text = (TEMPLATES / name).read_text("utf-8")
    assert not re.findall(r"=\s*\{\{", text)
    assert not re.findall(r"\son[a-z]+=|\sstyle=|<script[^>]*\ssrc=", text)


def test_only_the_frame_says_that_a_text_is_markup() -> None:
    sources = Path(page_module.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if "Markup" in path.read_text("utf-8")] == ["page.py"]


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'headline' is undefined"):
        "".join(Page("roles/report.html", ("report.css",), ("roles.js",)).render({}))
