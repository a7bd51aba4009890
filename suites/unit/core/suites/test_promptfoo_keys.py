"""Every key of promptfoo's configuration is supported, a note, ignored with a warning, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError
from evolve.store.suites import load_suite

TABLE: Any = parse_yaml(
    (Path(__file__).parents[4] / "fixtures/suites/promptfoo_keys.yaml").read_text("utf-8"), "promptfoo_keys.yaml"
)
ROWS = [(place, key, *row) for place, keys in TABLE.items() for key, row in keys.items()]


def suite_with(place: str, key: str, value: Any) -> dict[str, Any]:
    assertion: dict[str, Any] = {"type": "contains", "value": "a"}
    group: dict[str, Any] = {"type": "assert-set", "assert": [assertion]}
    test: dict[str, Any] = {"vars": {"q": "a"}, "assert": [assertion, group]}
    prompt: dict[str, Any] = {"raw": "hello", "label": "p"}
    provider: dict[str, Any] = {"id": "echo"}
    suite: dict[str, Any] = {"prompts": [prompt], "providers": [provider], "tests": [test]}
    scenario: dict[str, Any] = {"config": [{"vars": {"c": "d"}}]}
    places = {"top": suite, "test": test, "assertion": assertion, "assertSet": group, "prompt": prompt}
    places |= {"provider": provider, "scenario": scenario}
    if place in ("options", "evaluateOptions", "commandLineOptions"):
        (test if place == "options" else suite)[place] = {key: value}
    elif key == "targets":
        suite["targets"] = suite.pop("providers")
    else:
        places[place][key] = value
    if place == "scenario":
        suite["scenarios"] = [scenario]
    return suite


@pytest.mark.parametrize(("place", "key", "status", "value"), ROWS, ids=lambda part: str(part)[:30])
def test_a_key_of_promptfoo_is_handled_as_the_table_says(
    tmp_path: Path, place: str, key: str, status: str, value: Any
) -> None:
    (tmp_path / "test.env").write_text("A=b\n")
    path = tmp_path / "s.json"
    path.write_text(json.dumps(suite_with(place, key, value)))
    if status == "refused":
        with pytest.raises(InputError, match=key) as caught:
            load_suite(str(path))
        assert "not supported" in str(caught.value)
    else:
        warnings = load_suite(str(path)).warnings
        assert any(key in text for text in warnings) is (status == "ignored"), warnings


def test_notes_do_not_reach_an_assertions_config(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(suite_with("assertion", "description", "why")))
    (requirement, _) = load_suite(str(path)).tests[0].requirements
    assert requirement.config == {}
