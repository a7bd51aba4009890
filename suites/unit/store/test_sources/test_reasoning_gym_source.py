"""Tests that reasoning-gym makes; a package of the same shape stands in for it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.errors import InputError
from evolve.store.test_sources import find_source

PACKAGES = Path(__file__).parents[4] / "fixtures" / "test_sources"


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "reasoning_gym"]:
        del sys.modules[name]


@pytest.fixture
def _package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget()
    monkeypatch.syspath_prepend(PACKAGES)
    yield
    forget()


def made_by(name: str) -> list[dict[str, Any]]:
    read = find_source(name)
    assert read is not None
    return read(name, {})


def questions(name: str) -> list[str]:
    return [test["vars"]["question"] for test in made_by(name)]


@pytest.mark.usefixtures("_package")
def test_size_and_seed_decide_what_is_made():
    first, *_ = made_by("reasoning-gym:adding?size=5&seed=7&largest=999")
    one, other = first["vars"]["question"].rstrip("?").split(" + ")
    assert first["metadata"]["accepted"] == [{"answer": str(int(one) + int(other))}]
    assert first["description"] == "adding 7-0"
    assert questions("reasoning-gym:adding?size=5&seed=7") == questions("reasoning-gym:adding?size=5&seed=7")
    assert len(made_by("reasoning-gym:adding?largest=99999")) == 50


@pytest.mark.usefixtures("_package")
def test_seeds_that_are_neighbours_share_no_tests():
    made = [questions(f"reasoning-gym:adding?size=40&seed={seed}&largest=99999") for seed in range(5)]
    assert len({question for listed in made for question in listed}) == 5 * 40


@pytest.mark.usefixtures("_package")
def test_a_question_comes_once_and_is_one_family_whichever_seed_makes_it():
    first, second = (made_by(f"reasoning-gym:adding?size=9&seed={seed}&largest=2") for seed in (1, 2))
    assert len({test["vars"]["question"] for test in first}) == len(first)
    families = {test["vars"]["question"]: test["metadata"]["family"] for test in first}
    both = [test for test in second if test["vars"]["question"] in families]
    assert both
    assert all(test["metadata"]["family"] == families[test["vars"]["question"]] for test in both)


@pytest.mark.usefixtures("_package")
def test_a_data_set_with_few_questions_gives_few():
    assert sorted(questions("reasoning-gym:adding?size=200&largest=1")) == ["0 + 0?", "0 + 1?", "1 + 0?", "1 + 1?"]


@pytest.mark.usefixtures("_package")
def test_other_options_are_the_data_sets_own():
    found = made_by("reasoning-gym:adding?size=9&largest=1&split=gate")
    assert {test["vars"]["question"] for test in found} <= {"0 + 0?", "0 + 1?", "1 + 0?", "1 + 1?"}
    assert {test["metadata"]["split"] for test in found} == {"gate"}


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reasoning-gym:ading", "unknown data set 'ading' (did you mean 'adding'?)"),
        ("reasoning-gym:", "unknown data set ''"),
        ("reasoning-gym:adding?bogus=1", "reasoning-gym refused the settings: "),
        ("reasoning-gym:adding?size=two", "expected a whole number of at most 9 digits as size, at least 1, got 'two'"),
        ("reasoning-gym:adding?largest=x", "reasoning-gym refused the settings: "),
    ],
)
def test_a_wrong_name_is_the_users_error(name: str, message: str):
    with pytest.raises(InputError) as caught:
        made_by(name)
    assert message in str(caught.value)


def test_without_the_package_the_message_has_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    forget()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(InputError) as caught:
        made_by("reasoning-gym:adding")
    assert str(caught.value).endswith("the package reasoning-gym is not installed (type: ./bootstrap.sh bench)")
