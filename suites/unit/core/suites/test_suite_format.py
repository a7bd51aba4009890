"""What a suite may say: the messages for every mistake, and the schema that editors use."""

import json
from pathlib import Path

import jsonschema
import pytest

from evolve.core.assertions import known_types
from evolve.core.formats.schema_check import UnsupportedKeywordError, compile_schema
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError
from evolve.core.suites.csv_tests import CellError, assertion_of_text, case_of_row, check_columns
from evolve.core.suites.references import names_needed_by
from evolve.core.suites.suite_format import ASSERTION_KEYS, NOTES, suite_schema
from evolve.core.text.did_you_mean import closest, did_you_mean
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite

ROOT = Path(__file__).parents[4]
BAD = ROOT / "fixtures" / "suites" / "bad"
GOOD = ROOT / "fixtures" / "suites" / "good"


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yaml")))
def test_a_bad_suite_gets_its_messages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(InputError) as caught:
        load_suite(f"{name}.yaml", ReadOptions(root=str(ROOT)))
    found = str(caught.value).replace(str(ROOT), "ROOT")
    assert found == (BAD / f"{name}.expected").read_text().rstrip("\n")


def test_every_bad_suite_has_its_expected_messages() -> None:
    assert {path.stem for path in BAD.glob("*.expected")} == {path.stem for path in BAD.glob("*.yaml")}


def load_text(tmp_path: Path, text: str, **options: str) -> object:
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return load_suite(str(path), ReadOptions(**options))  # type: ignore[arg-type]


def problems_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_text(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


HEAD = "prompts: ['{{q}}']\nproviders: [echo]\n"


def test_keys_without_effect_are_warned_of(tmp_path: Path) -> None:
    suite = load_text(tmp_path, HEAD + "outputPath: out.json\ntests: [{vars: {q: 1}}]\n")
    assert len(suite.warnings) == 1  # type: ignore[attr-defined]
    assert "outputPath has no effect here" in suite.warnings[0]  # type: ignore[attr-defined]


def test_top_level_keys_of_the_users_own_hold_what_references_and_anchors_repeat(tmp_path: Path) -> None:
    text = HEAD + (
        "mine: {short: {type: contains, value: x}}\n"
        "shared: &shared {type: contains, value: y}\n"
        "x-note: free\n"
        "tests: [{vars: {q: 1}, assert: [{$ref: '#/mine/short'}, *shared]}]\n"
    )
    suite = load_text(tmp_path, text)
    assert [part.value for part in suite.tests[0].requirements] == ["x", "y"]  # type: ignore[attr-defined]


def test_a_value_that_is_a_template_is_judged_when_it_is_rendered(tmp_path: Path) -> None:
    text = (
        HEAD
        + "tests: [{vars: {q: 1}, assert: [{type: word-count, value: '{{q}}'}, {type: is-json, value: file://s.json}]}]\n"
    )
    assert load_text(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- vars: {q: 1}\n  assert: {type: equals, value: 1}",
            "tests[0].assert: expected a list of assertions, got a mapping",
        ),
        (
            "- vars: {q: 1}\n  assert: [contains]",
            "tests[0].assert[0]: expected an assertion, a mapping with `type`, got the text 'contains'",
        ),
        ("- vars: [1]", "tests[0].vars[0]: expected text, got the number 1"),
        ("- vars: {q: 1}\n  threshold: [1]", "tests[0].threshold: expected a number, got a list"),
        ("- vars: {q: 1}\n  options: {disableVarExpansion: yes}", "expected true or false, got the text 'yes'"),
        (
            "- vars: {q: 1}\n  options: {temprature: 1}",
            "unknown key 'temprature' (did you mean 'temperature'?; --unknown-keys warn ignores it)",
        ),
        (
            "- vars: {q: 1}\n  description: 7",
            "tests[0].description: expected text, got the number 7 (put it in quotes)",
        ),
        (
            "- vars: {q: 1}\n  assert: [{typ: equals, value: 1}]",
            "tests[0].assert[0].typ: unknown key 'typ' (did you mean 'type'?; --unknown-keys warn ignores it)",
        ),
        ("- vars: {q: 1}\n  assert: [{type: contains}]", "tests[0].assert[0]: contains needs a value"),
        ("- vars: {q: 1}\n  assert: [{type: contains, valu: x}]", "tests[0].assert[0].valu: unknown key 'valu'"),
        ("- vars: {q: 1}\n  assert: [{type: not-select-best, value: x}]", "select-best compares outputs"),
        ("- 5", "tests[0]: expected a test, or file://... with tests, got the number 5"),
        ("- {}", "tests[0]: it is empty"),
        ("- {path: 3}", "tests[0].path: expected text, got the number 3"),
        (
            "- {path: x.py, cofnig: {}}",
            "tests[0].cofnig: unknown key 'cofnig' (did you mean 'config'?; --unknown-keys warn ignores it)",
        ),
    ],
)
def test_one_mistake_has_one_located_message(tmp_path: Path, text: str, message: str) -> None:
    (found,) = problems_of(tmp_path, f"{HEAD}tests:\n{text}\n")
    assert message in found
    assert found.startswith("suite.yaml:")
    assert found.split(":")[1].isdigit()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(dict(suite_schema()))


@pytest.mark.parametrize("name", sorted(path.name for path in GOOD.glob("*.yaml")))
def test_good_suites_fit_the_editors_schema(name: str) -> None:
    config = parse_yaml((GOOD / name).read_text(), name)
    config = json.loads(json.dumps(config).replace('{"$ref": "#/assertionTemplates/short"}', '{"type": "contains"}'))
    errors = [
        f"{error.json_path}: {error.message}"
        for error in jsonschema.Draft202012Validator(suite_schema()).iter_errors(config)
    ]
    assert errors == []


@pytest.mark.parametrize(
    "name", ["unknown_key", "everything_at_once", "assert_set", "scenarios", "top_types", "providers"]
)
def test_bad_suites_do_not_fit_the_editors_schema(name: str) -> None:
    config = parse_yaml((BAD / f"{name}.yaml").read_text(), name)
    assert not jsonschema.Draft202012Validator(suite_schema()).is_valid(config)


def test_the_schema_names_all_assertion_types() -> None:
    listed = set(suite_schema()["$defs"]["assertionType"]["enum"])
    negatable = {f"not-{name}" for name, kind in known_types().items() if not kind.compares}
    assert listed == known_types().keys() | negatable


def test_the_schema_names_the_keys_of_all_assertion_types() -> None:
    listed = set(suite_schema()["$defs"]["assertion"]["properties"])
    assert listed == (ASSERTION_KEYS | NOTES).union(*(kind.keys for kind in known_types().values()))


def test_value_schemas_of_all_types_can_be_checked() -> None:
    for kind in known_types().values():
        try:
            compile_schema(kind.value_schema)
        except UnsupportedKeywordError:
            jsonschema.Draft202012Validator.check_schema(kind.value_schema)  # type: ignore[arg-type]


def test_a_keyword_that_the_compiler_does_not_know_is_named() -> None:
    with pytest.raises(UnsupportedKeywordError, match="uniqueItems"):
        compile_schema({"type": "array", "uniqueItems": True})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("asserts", "assert"),
        ("asert", "assert"),
        ("Assert", "assert"),
        ("asesrt", "assert"),
        ("xyz", None),
        ("a", None),
    ],
)
def test_the_nearest_name_is_suggested(name: str, meant: str | None) -> None:
    assert closest(name, ["vars", "assert", "options"]) == meant
    assert did_you_mean(name, ["vars", "assert", "options"]) == (f"did you mean {meant!r}?" if meant else "")


# What promptfoo 0.121.20 makes of these cells.
CELLS = [
    ("Hello", {"type": "equals", "value": "Hello"}),
    ("contains: x y", {"type": "contains", "value": "x y"}),
    ("not-contains:x", {"type": "not-contains", "value": "x"}),
    ('contains-any: a, "b, c" ,d', {"type": "contains-any", "value": ["a", "b, c", "d"]}),
    ('icontains-all:"a ""q""",, b', {"type": "icontains-all", "value": ['a "q"', "b"]}),
    ("similar(0.9): y", {"type": "similar", "value": "y", "threshold": 0.9}),
    ("similar: y", {"type": "similar", "value": "y", "threshold": 0.8}),
    ("levenshtein(3): y", {"type": "levenshtein", "value": "y", "threshold": 3.0}),
    ("rouge-n: y", {"type": "rouge-n", "value": "y", "threshold": 0.75}),
    ("is-json", {"type": "is-json"}),
    ("javascript: output.length > 3", {"type": "javascript", "value": "output.length > 3"}),
    ("fn: output == 1", {"type": "javascript", "value": "output == 1"}),
    ("eval: output == 1", {"type": "javascript", "value": "output == 1"}),
    ("python: len(output) > 3", {"type": "python", "value": "len(output) > 3"}),
    ("file://check.js", {"type": "javascript", "value": "file://check.js"}),
    ("file://check.py:good", {"type": "python", "value": "file://check.py:good"}),
    ("grade: is polite", {"type": "llm-rubric", "value": " is polite"}),
    ("llm-rubric:is polite", {"type": "llm-rubric", "value": "is polite"}),
    ("regex: ^a:b$", {"type": "regex", "value": "^a:b$"}),
    ("Note: this is text", {"type": "equals", "value": "Note: this is text"}),
    ("https://example.org", {"type": "equals", "value": "https://example.org"}),
]


@pytest.mark.parametrize(("cell", "assertion"), CELLS)
def test_a_cell_is_an_assertion(cell: str, assertion: dict[str, object]) -> None:
    assert assertion_of_text(cell) == assertion


def test_a_misspelt_type_in_a_cell_is_no_text() -> None:
    with pytest.raises(ValueError, match="unknown assertion type 'contians'"):
        assertion_of_text("contians: x")


def test_a_broken_list_in_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a closing quote"):
        assertion_of_text('contains-any: a, "b')


def test_a_row_is_a_test() -> None:
    row = {
        " question ": "Why?", "__expected1": "contains: W", "__expected2": "", "__expected3": "y", "__prefix": "Q: ",
        "__description": "d", "__metric": "m", "__threshold": "0.5", "__metadata:k": "v",
        "__metadata:tags[]": "a, b\\,c",
        "__config:__expected2:threshold": "0.25", "__providerOutput": "out",
    }  # fmt: skip
    assert case_of_row(row, "not used") == {
        "vars": {"question": "Why?"},
        "description": "d",
        "providerOutput": "out",
        "threshold": 0.5,
        "assert": [
            {"type": "contains", "value": "W", "metric": "m"},
            {"type": "equals", "value": "y", "metric": "m", "threshold": 0.25},
        ],
        "options": {"prefix": "Q: "},
        "metadata": {"k": "v", "tags": ["a", "b,c"], "threshold": 0.25},
    }


@pytest.mark.parametrize(
    "column", ["__config:__expected0:threshold", "__config:expected:threshold", "__config:__expected1:weight"]
)
def test_a_wrong_config_column_is_refused(column: str) -> None:
    with pytest.raises(CellError, match="unknown column"):
        case_of_row({"q": "1", column: "1"}, "")


def test_wrong_columns_are_found() -> None:
    names = ["q", "__expected", "__expected2", "__metadata:x", "__metadat:x", "_expected"]
    assert [bad.column for bad in check_columns(names)] == ["__metadat:x", "_expected"]


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{a}} {{ b.c }} {{d[0]}} {{- e -}} {{f | upper}}", {"a", "b", "d", "e", "f"}),
        ("{{a | default('x')}} {{env.HOME}} {{'text'}} {{1}} {{true}}", set()),
        ("{% if a %}{{a}}{% endif %} {{b}}", {"b"}),
        ("{# {{a}} #}", set()),
        ("{{a or b}} {{f(x)}}", set()),
        ("no template {a}", set()),
    ],
)
def test_only_what_is_surely_needed_is_needed(template: str, names: set[str]) -> None:
    assert names_needed_by(template) == names


def test_vars_options_and_metadata_may_have_any_name(tmp_path: Path) -> None:
    test = (
        "{vars: {q: 1, assert: [one, two], checks: [{type: equals, value: bye}], threshold: 0.5, options: {a: b}}, "
        "metadata: {assert: holds, vars: {a: 1}, options: [a, b], threshold: 2}, "
        "options: {assert: strict, temperature: 0}, assert: [{type: contains, value: x}]}"
    )
    assert load_text(tmp_path, f"{HEAD}tests: [{test}]\n")
