"""Tests read from the data files of bfcl-eval, which is not imported."""

import sys
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.errors import InputError
from evolve.store.test_sources import find_source

PACKAGES = Path(__file__).parents[4] / "fixtures" / "test_sources"


@pytest.fixture
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PACKAGES)


def made_by(name: str) -> list[dict[str, Any]]:
    read = find_source(name)
    assert read is not None
    return read(name, {})


@pytest.mark.usefixtures("_package")
def test_a_question_its_tools_and_the_calls_that_answer_it():
    first, second, _ = made_by("bfcl:multiple")
    assert first["description"] == "multiple_0"
    assert first["vars"]["question"] == "Set the pump to 3.5 bar until noon."
    assert first["vars"]["tools"][0] == {
        "type": "function",
        "function": {
            "name": "pump_set",
            "description": "Sets the pressure.",
            "parameters": {
                "type": "object",
                "properties": {
                    "bar": {"type": "number"},
                    "until": {"type": "string"},
                    "valves": {"type": "array", "items": {"type": "integer"}},
                    "note": {},
                },
                "required": ["bar", "until"],
            },
        },
    }
    assert second["vars"]["question"] == "system: Be quick.\n\nuser: Who is at the gate?"
    # What a function requires may not be left out, even where the data allows it.
    expected = {"bar": [3.5], "until": ["noon", "12:00"], "valves": ["", [1, 2]], "note": [""]}
    assert first["assert"] == [{"type": "function-calls", "value": [{"pump_set": expected}], "metric": "accuracy"}]


@pytest.mark.usefixtures("_package")
def test_the_label_is_the_shortest_right_call():
    labels = [test["metadata"]["accepted"] for test in made_by("bfcl:multiple")]
    assert labels[:2] == [
        [{"calls": [{"name": "pump_set", "arguments": {"bar": 3.5, "until": "noon"}}]}],
        [{"calls": [{"name": "look", "arguments": {"filter": {"place": "gate"}}}]}],
    ]
    assert made_by("bfcl:irrelevance")[0]["metadata"]["accepted"] == [{"calls": []}]


@pytest.mark.usefixtures("_package")
def test_tests_with_the_same_functions_are_one_family():
    families = [test["metadata"]["family"] for test in made_by("bfcl:multiple")]
    assert families == ["bfcl lamp.set pump.set", "bfcl look", "bfcl lamp.set pump.set"]


@pytest.mark.usefixtures("_package")
def test_a_part_of_them_the_first_or_by_chance():
    assert [test["description"] for test in made_by("bfcl:multiple?size=2")] == ["multiple_0", "multiple_1"]
    drawn = {tuple(test["description"] for test in made_by(f"bfcl:multiple?size=2&seed={seed}")) for seed in range(9)}
    assert len(drawn) > 1
    assert made_by("bfcl:multiple?size=9&seed=1") == made_by("bfcl:multiple?seed=1")
    assert [test["metadata"]["split"] for test in made_by("bfcl:irrelevance?split=test")] == ["test"]


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bfcl:multipel", "unknown set 'multipel' (did you mean 'multiple'?)"),
        ("bfcl:", "unknown set '' (known: multiple, irrelevance"),
        ("bfcl:multiple?sice=3", "unknown option 'sice' (did you mean 'size'?)"),
        ("bfcl:multiple?size=0", "expected a whole number of at most 9 digits as size, at least 1, got '0'"),
        ("bfcl:multiple?seed=x", "expected a whole number of at most 9 digits as seed, at least 0, got 'x'"),
        ("bfcl:multiple?seed=" + "9" * 5000, "expected a whole number of at most 9 digits as seed"),
        ("bfcl:multiple?split=trian", "expected one of train, val, gate, test as split, got 'trian'"),
        ("bfcl:parallel", "BFCL_v4_parallel.json: no such file; is bfcl-eval 2026.3.23 installed?"),
    ],
)
def test_a_wrong_name_is_the_users_error(name: str, message: str):
    with pytest.raises(InputError) as caught:
        made_by(name)
    assert message in str(caught.value)


def test_without_the_package_the_message_has_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(InputError) as caught:
        made_by("bfcl:multiple")
    assert str(caught.value) == "bfcl:multiple: the package bfcl-eval is not installed (type: ./bootstrap.sh bench)"


@pytest.mark.usefixtures("_package")
def test_the_package_is_not_imported():
    made_by("bfcl:multiple")
    assert "bfcl_eval" not in sys.modules
