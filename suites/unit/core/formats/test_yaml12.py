"""YAML 1.2 core: what words mean, and which texts are refused where."""

import json
import math
import time

import pytest

from evolve.core.formats.yaml12 import Document, dump_yaml, keys_with_anchors, parse_yaml, path_text, read_document
from evolve.core.model.errors import InputError

# Read by js-yaml 5 with promptfoo's schema.
SCALARS = [
    ("010", 10), ("0o10", 8), ("0x1F", 31), ("0b11", "0b11"), ("1_000", "1_000"), ("1e3", 1000.0), (".5", 0.5),
    ("5.", 5.0), ("+12", 12), ("-0", 0), ("~", None), ("Null", None), ("NULL", None), ("nUll", "nUll"), ("yes", "yes"),
    ("on", "on"), ("True", True), ("TRUE", True), ("tRue", "tRue"), ("12:30:45", "12:30:45"), ("1.0", 1.0), ("08", 8),
    ("0o8", "0o8"), ("1e", "1e"), ("-.5", -0.5), (".", "."), ("1.e3", 1000.0), ("0x", "0x"), ("00", 0),
    ("-0x1F", "-0x1F"), ("=", "="), ("1,000", "1,000"), ("1E5", 100000.0), ("+0o7", "+0o7"), ("!!str 12", "12"),
    ('!!int "12"', 12), ("!!float 3", 3.0), ("2024-01-01", "2024-01-01"), ("'yes'", "yes"), ('"010"', "010"),
    ("no", "no"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_word_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", "x.yaml")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_infinity_and_nan_are_numbers() -> None:
    assert parse_yaml("[.inf, -.INF, .nan]", "x.yaml")[:2] == [math.inf, -math.inf]
    assert math.isnan(parse_yaml("a: .nan", "x.yaml")["a"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1: a", {"1": "a"}),
        ("true: a", {"true": "a"}),
        ("~: a", {"null": "a"}),
        ("1.5: a", {"1.5": "a"}),
        ("a:\tb", {"a": "b"}),
        ("<<: {x: 1}\nx: 2", {"x": 2}),
        ("<<: [{x: 1}, {x: 3, y: 2}]", {"x": 1, "y": 2}),
        ('"<<": {x: 1}', {"<<": {"x": 1}}),
        ("a: &v {b: 1}\nc: {<<: *v, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("{a, b: 1}", {"a": None, "b": 1}),
        ("a: [b: c]", {"a": [{"b": "c"}]}),
        ("%YAML 1.1\n---\na: yes", {"a": "yes"}),
        ("a: |+\n x\n\n\n", {"a": "x\n\n\n"}),
        ("", None),
        ("# only a comment", None),
        ("just text", "just text"),
    ],
)
def test_documents_read_as_promptfoo_reads_them(text: str, value: object) -> None:
    assert parse_yaml(text, "x.yaml") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "x.yaml:2:1: duplicate key 'a'"),
        ('1: a\n"1": b', "x.yaml:2:1: duplicate key '1'"),
        ("a: {b: c, b: d}", "x.yaml:1:11: duplicate key 'b'"),
        ("a:\n\t- b", "x.yaml:2:1: not YAML: a tab in the indentation"),
        ("a:\n  b: 1\n \tc: 2", "a tab in the indentation"),
        ("- 1\n---\n- 2", "x.yaml:2:1: a second YAML document starts here"),
        ("a: &a [*a]", "x.yaml:1:8: *a is inside its own anchor &a"),
        ("a: *b", "x.yaml:1:4: *b is used, but there is no &b before it"),
        ("a: !!set {x, y}", "x.yaml:1:4: the tag !!set is not supported"),
        ("a: !!python/object/apply:os.system [ls]", "the tag !!python/object/apply:os.system is not supported"),
        ("a: !foo x", "the tag !foo is not supported"),
        ("a: !!int x", "expected int, got 'x'"),
        ("? [a, b]\n: c", "x.yaml:1:3: a key must be a plain word"),
        ("a: b: c", "x.yaml:1:5: not YAML: expected one value, got a second `key: value`"),
        ("a: @b", "x.yaml:1:4: not YAML: a value cannot start with '@'"),
        ("a: 'x", "x.yaml:1:6: not YAML"),
        ("a: b\x01", "x.yaml:1:5: not YAML: the control character '\\x01'"),
        ("<<: 3", "`<<` takes a mapping or a list of mappings"),
        ("- " * 150 + "a", "more than 100 levels of nesting"),
        ("[" * 5000, "more than 100 levels of nesting"),
    ],
)
def test_a_text_that_is_refused_is_located(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "x.yaml")
    assert message in str(caught.value)


def test_a_yaml_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
    )
    start = time.process_time()
    with pytest.raises(InputError, match="a YAML bomb"):
        parse_yaml(bomb, "x.yaml")
    assert time.process_time() - start < 1


def test_aliases_in_ordinary_numbers_are_fine() -> None:
    text = "a: &a [1, 2, 3]\nb: [" + ", ".join(["*a"] * 5000) + "]"
    assert parse_yaml(text, "x.yaml")["b"][4999] == [1, 2, 3]


def test_json_is_yaml() -> None:
    value = {"a": [1, 2.5, "x", None, True, {"b": "é\n\t\"'"}]}
    assert parse_yaml(json.dumps(value, indent=2), "x.json") == value


def test_parts_are_located_lazily() -> None:
    document = read_document("a:\n  - b: 1\n    c: {d: [x, y]}\n  - e\n", "x.yaml")
    assert str(document.locate("a", 0, "c", "d", 1)) == "x.yaml:3:16: a[0].c.d[1]"
    assert str(document.locate_key("a", 0, "c")) == "x.yaml:3:5: a[0].c"
    assert str(document.locate("a", 1)) == "x.yaml:4:5: a[1]"


def test_a_part_that_does_not_stand_there_has_the_place_of_what_is_around_it() -> None:
    document = read_document("a: &x {b: 1}\nc: *x\n", "x.yaml")
    assert (document.locate("c", "b").line, document.locate("c", "b").column) == (2, 4)
    assert document.locate("a", "nothing", 3).line == 1


def test_places_of_the_first_two_levels_need_no_second_reading() -> None:
    document = read_document("tests:\n  - vars: {a: 1}\n  - vars: {a: 2}\n", "x.yaml")
    assert document.items[("tests", 1)].line == 3
    assert document.locate("tests", 1).line == 3


def test_odd_keys_are_quoted_in_paths() -> None:
    assert path_text(("vars", "my name", 0, "x-y")) == "vars['my name'][0].x-y"


def test_keys_that_hold_anchors_are_known() -> None:
    assert keys_with_anchors("a:\n  b: &x 1\nc: *x\nd: {e: 1}\n") == {"a"}


ODD_VALUES = [
    "0o10", "1e3", "yes", "010", "2024-01-01", "1:20", "a\nb\n", "", " x", "x: y", "# c", "-", "~", "\x85",
    "a\u2028b\n", "a\tb\nc", "<<", "=", 1e3, 1e22, 1.5e-7, 0.1, 10**30, "a\r\nb", "é😀", "\x00", "a \nb", "...",
    "---\n", "\ufeffx",
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_VALUES)
def test_what_is_dumped_reads_back(value: object) -> None:
    assert parse_yaml(dump_yaml({"k": [value]}), "x.yaml") == {"k": [value]}


def test_an_emoji_written_as_two_json_escapes_is_one_character():
    assert parse_yaml(r'{"a": "\ud83c\udf89 \\ud83c", "b": "caf\u00e9"}', "x.json") == {"a": "🎉 \\ud83c", "b": "café"}


@pytest.mark.parametrize(
    "odd", ["\U0001f600", "\ud83d", "\0", "\x7f", "\u2028", "a/b", '"', "\\u12", "\ud83d\\ude00", "\t"]
)
def test_parts_after_any_text_of_json_are_located(odd: str) -> None:
    text = json.dumps({"tests": [{"vars": {"q": odd, "r": f"x{odd}y"}}, {"vars": {"z": 1}}]}, indent=1)
    document = Document("tests.json", text, json.loads(text))
    line = text.splitlines().index('    "z": 1') + 1
    assert str(document.locate("tests", 1, "vars", "z")) == f"tests.json:{line}:10: tests[1].vars.z"
    assert str(document.locate_key("tests", 1, "vars", "z")) == f"tests.json:{line}:5: tests[1].vars.z"
