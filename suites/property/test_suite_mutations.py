"""A good suite with one mistake in it, a misspelt key or a value of another type: one located message, no traceback."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evolve.core.formats.yaml12 import dump_yaml, parse_yaml
from evolve.core.model.errors import InputError, Problem
from evolve.core.suites.suite_format import suite_schema
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite

GOOD = Path(__file__).parents[2] / "fixtures" / "suites" / "good"
NAMES = sorted(path.stem for path in GOOD.glob("*.yaml"))

FREE = {
    "vars",
    "metadata",
    "config",
    "env",
    "tags",
    "value",
    "providerOutput",
    "x-anchors",
    "assertionTemplates",
    "response_format",
}
"""Below these keys the names are the user's own."""

OWN_NAMES = {"x-anchors", "openai:chat:small", "response_format", "$ref"}

Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("good")
    shutil.copytree(GOOD, target, dirs_exist_ok=True)
    return target


def config_of(name: str) -> Any:
    return parse_yaml((GOOD / f"{name}.yaml").read_text(), name)


def problems(folder: Path, config: Any, *, is_strict: bool = False) -> tuple[Problem, ...]:
    path = folder / "mutant.yaml"
    path.write_text(dump_yaml(config))
    strict = ReadOptions(root=str(folder), undefined="strict", unknown_keys="error")
    try:
        load_suite(str(path), strict if is_strict else ReadOptions(root=str(folder)))
    except InputError as error:
        return error.problems
    return ()


def is_checked(path: Path_) -> bool:
    """Whether the format, not the user, names the key at the end of a path; vars that prompts use count too."""
    *above, key = path
    if above[-1:] == ["vars"] and len(above) == 3 and key in ("question", "request"):
        return above[:1] == ["tests"]
    return key not in OWN_NAMES and not FREE & {*above}


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


def scenario_config(path: Path_) -> Path_:
    """`scenarios[0].config[1]` holds tests, not free settings."""
    return tuple(
        "entries" if part == "config" and path[:1] == ("scenarios",) and index == 2 else part
        for index, part in enumerate(path)
    )


def misspellings(key: str) -> list[str]:
    middle = len(key) // 2
    swapped = key[: middle - 1] + key[middle] + key[middle - 1] + key[middle + 1 :]
    return [word for word in {key + "s", key[:-1], swapped, key[:middle] + "x" + key[middle:]} if word != key]


def at(config: Any, path: Path_) -> Any:
    for part in path:
        config = config[part]
    return config


def renamed(config: Any, path: Path_, new: str) -> Any:
    changed = copy.deepcopy(config)
    parent = at(changed, path[:-1])
    items = [(new if key == path[-1] else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)
    return changed


@pytest.mark.parametrize("name", NAMES)
def test_a_good_suite_has_no_problems(folder: Path, name: str) -> None:
    assert problems(folder, config_of(name)) == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_misspelt_key_gets_one_located_message(folder: Path, name: str) -> None:
    config = config_of(name)
    wrong = []
    for path in places(config):
        if not isinstance(path[-1], str) or not is_checked(scenario_config(path)):
            continue
        for new in misspellings(path[-1]):
            if new in at(config, path[:-1]) or is_another_key(path, new) or has_given_output(config, path):
                continue
            found = problems(folder, renamed(config, path, new))
            if len(found) != 1 or found[0].where is None or found[0].where.line is None:
                wrong.append((path, new, [str(problem) for problem in found]))
    assert wrong == []


def is_another_key(path: Path_, new: str) -> bool:
    """`provider` misspelt as `providers` is another key of a test."""
    return (path[-1], new) in {("provider", "providers"), ("providers", "provider"), ("prompts", "prompt")} and path[
        0
    ] in ("tests", "defaultTest")


def has_given_output(config: Any, path: Path_) -> bool:
    """Then no prompt is sent, and its variables are not needed."""
    above = at(config, path[:2])
    return isinstance(above, dict) and "providerOutput" in above


SWAPS: list[Any] = ["some text", 7, True, None, ["a list"], {"a": "mapping"}, {}]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_another_type_gets_located_messages(folder: Path, name: str) -> None:
    """The editor's schema is the oracle: what it refuses, the loader refuses."""
    config = config_of(name)
    validator = jsonschema.Draft202012Validator(suite_schema())
    wrong = []
    for path in places(config):
        for swap in SWAPS:
            if type(swap) is type(at(config, path)):
                continue
            changed = copy.deepcopy(config)
            at(changed, path[:-1])[path[-1]] = copy.deepcopy(swap)
            found = problems(folder, changed, is_strict=True)
            is_refused = bool(found) and all(
                problem.where is not None and problem.where.line is not None for problem in found
            )
            if found and not is_refused:
                wrong.append((path, swap, [str(problem) for problem in found]))
            elif not found and "$ref" not in str(changed) and not validator.is_valid(changed):
                wrong.append((path, swap, "loaded, though the schema refuses it"))
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["prompts", "providers", "tests"])
def test_a_missing_part_gets_one_message(folder: Path, name: str, place: str) -> None:
    config = config_of(name)
    del config[place]
    config.pop("scenarios", None)
    if place == "prompts":
        config["providers"] = "echo"  # a program may read the variables instead
    found = problems(folder, config)
    assert len(found) == 1
    assert place in str(found[0])
