"""A misspelt key anywhere in a suite hides no other problem of it: all of them are in one list."""

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.errors import InputError
from evolve.evaluation.setup import Settings, load

ASSERT = {"type": "llm-rubric", "value": "{{ q | nofilter }}", "provider": "opnai:grader"}
SUITE: dict[str, Any] = {
    "prompts": [{"raw": "{{ q }} {{ qestion }}", "label": "one"}],
    "providers": [
        {"id": "opnai:first", "label": "a"},
        {"id": "openai:chat:m", "config": {"timeoutMs": "many", "temperature": 0}, "transform": "output.("},
        "file://provider.json",
    ],
    "defaultTest": {
        "metadata": {"a": 1},
        "assert": [{"type": "regex", "value": "(of the default test", "weight": 1}],
        "options": {"transform": "output +"},
    },
    "tests": [
        {"vars": {"q": "a", "question": "b"}, "assert": [ASSERT]},
        {
            "vars": {"q": "c", "question": "d"},
            "assert": [
                {"type": "assert-set", "assert": [{"type": "javascript", "value": "output.(("}, {"type": "contians"}]},
                {"type": "equals", "value": "x", "threshold": "high"},
                {"type": "python", "value": "len(output"},
                {"type": "llm-rubric", "value": "v"},
            ],
            "options": {"provider": "opnai:third"},
        },
        "file://more.json",
    ],
    "scenarios": [
        {
            "config": [{"vars": {"q": "e", "question": "f"}}],
            "tests": [{"assert": [{"type": "regex", "value": "[of a scenario"}]}],
        }
    ],
    "evaluateOptions": {"maxConcurrency": 0},
    "derivedMetrics": [{"name": "m", "value": ""}],
}
MORE: list[Any] = [
    {
        "vars": {"q": "g", "question": "h"},
        "assert": [
            {"type": "regex", "value": "(of a file"},
            {"type": "llm-rubric", "value": "v", "provider": "opnai:file"},
        ],
        "options": {},
    }
]
PROVIDER: dict[str, Any] = {"id": "opnai:file", "config": {}}
FILES = {"suite.yaml": SUITE, "more.json": MORE, "provider.json": PROVIDER}

PLACES: list[tuple[str, tuple[str | int, ...], str]] = [
    ("suite.yaml", (), "descripton"),
    ("suite.yaml", ("prompts", 0), "lable"),
    ("suite.yaml", ("providers", 0), "lable"),
    ("suite.yaml", ("providers", 1), "lable"),
    ("suite.yaml", ("providers", 1, "config"), "temprature"),
    ("suite.yaml", ("defaultTest",), "metdata"),
    ("suite.yaml", ("defaultTest", "assert", 0), "wieght"),
    ("suite.yaml", ("defaultTest", "options"), "disableDefaultAssert"),
    ("suite.yaml", ("tests", 0, "assert", 0), "treshold"),
    ("suite.yaml", ("tests", 0), "metdata"),
    ("suite.yaml", ("tests", 1, "assert", 0), "wieght"),
    ("suite.yaml", ("tests", 1, "assert", 0, "assert", 0), "metrik"),
    ("suite.yaml", ("tests", 1, "assert", 1), "wieght"),
    ("suite.yaml", ("tests", 1, "assert", 2), "treshold"),
    ("suite.yaml", ("tests", 1, "options"), "rubricPromt"),
    ("suite.yaml", ("scenarios", 0), "descripton"),
    ("suite.yaml", ("scenarios", 0, "config", 0), "metdata"),
    ("suite.yaml", ("scenarios", 0, "tests", 0, "assert", 0), "wieght"),
    ("suite.yaml", ("evaluateOptions",), "repaet"),
    ("suite.yaml", ("derivedMetrics", 0), "nmae"),
    ("more.json", (0,), "metdata"),
    ("more.json", (0, "assert", 0), "wieght"),
    ("more.json", (0, "assert", 1), "treshold"),
    ("provider.json", (), "lable"),
]


def _messages(places: list[tuple[str, tuple[str | int, ...], str]]) -> list[str]:
    files = copy.deepcopy(FILES)
    for name, path, key in places:
        holder: Any = files[name]
        for step in path:
            holder = holder[step]
        holder[key] = 1
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content, indent=1))
        with pytest.raises(InputError) as caught:
            load(f"{folder}/suite.yaml", Settings(env={"OPENAI_API_KEY": "dummy"}))
    return sorted(problem.message for problem in caught.value.problems)


def _of_keys(places: list[tuple[str, tuple[str | int, ...], str]]) -> Iterator[str]:
    for _, path, key in places:
        in_config = "provider 'openai:chat:m': unknown config key" if path[-1:] == ("config",) else "unknown key"
        yield f"{in_config} {key!r}"


ALONE = _messages([])


def test_the_suite_has_a_problem_of_each_kind() -> None:
    found = "\n".join(ALONE)
    for part in (
        "opnai:first", "opnai:grader", "opnai:third", "opnai:file", "timeoutMs=", "contians", "nofilter",
        "the text 'high'", "less than the minimum", "the text is empty", "regular expression",
        "JavaScript", "Python", "transform does not parse", "qestion",
    ):  # fmt: skip
        assert part in found, part


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0]}:{'.'.join(map(str, place[1]))}.{place[2]}")
def test_a_misspelt_key_adds_one_problem_and_hides_none(place: tuple[str, tuple[str | int, ...], str]) -> None:
    assert _messages([place]) == sorted([*ALONE, *_of_keys([place])])


@given(st.lists(st.sampled_from(PLACES), unique=True, max_size=8))
def test_any_number_of_misspelt_keys_hides_none(places: list[tuple[str, tuple[str | int, ...], str]]) -> None:
    assert _messages(places) == sorted([*ALONE, *_of_keys(places)])
