"""Suites of `evolve_beyond.py` that are made from test sources: BFCL, and gsm_symbolic of reasoning-gym.

`./bootstrap.sh bench` installs what the sources read. The same sizes and seeds make the same suite.
"""

import hashlib
import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.errors import InputError, Problem

_SHARES = (("train", 40), ("val", 15), ("gate", 20), ("test", 25))
"""Percent of the families of BFCL."""
_GSM_SET = "gsm_symbolic"
_GSM = {"test": (100, 40_000), "gate": (45, 30_000), "val": (30, 20_000), "train": (60, 10_000)}
"""Split: how many tests, and the seed that makes them. In many data sets test N of a seed is test N - 1 of the next,
so near seeds make nearly the same tests."""
_BFCL = {"multiple": 160, "irrelevance": 160}
"""Tests of each set; half of them should call a function and half should not."""


def made_suite(task: str, folder: Path) -> Path:
    """Write the suite of a task into a folder, and return it.

    Raises:
        InputError: a test source is not installed; the hint has the command.
    """
    tests = _bfcl_tests() if task == "bfcl" else _gsm_tests()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task}.yaml"
    suite: dict[str, Any] = {"description": f"{task}, made from test sources", "prompts": ["{{ question }}"]}
    path.write_text(dump_yaml({**suite, "providers": ["echo"], "tests": tests}), encoding="utf-8")
    return path


def _bfcl_tests() -> list[Any]:
    found = {name: _read("bfcl", f"{name}?size={size}&seed=1") for name, size in _BFCL.items()}
    return [
        _with(test, split=_split_of(test["metadata"]["family"]), group=name)
        for name, tests in found.items()
        for test in tests
    ]


def _gsm_tests() -> list[Any]:
    """Return the tests of all splits; a question that two of them have is left to the first of them."""
    made = {split: _read("reasoning_gym", f"{_GSM_SET}?size={n}&seed={seed}") for split, (n, seed) in _GSM.items()}
    found: dict[str, Any] = {}
    for split, tests in made.items():
        for test in tests:
            found.setdefault(test["vars"]["question"], _with(test, split=split))
    return [*found.values()]


def _read(source: str, name: str) -> list[dict[str, Any]]:
    try:
        module = importlib.import_module(f"evolve.store.test_sources.{source}")
    except ModuleNotFoundError:
        raise InputError(Problem(f"this version of Anneal has no test source {source}")) from None
    prefix = source.replace("_", "-")
    tests: list[dict[str, Any]] = module.read_tests(f"{prefix}:{name}", os.environ)
    return tests


def _with(test: Mapping[str, Any], **metadata: str) -> dict[str, Any]:
    return {**test, "metadata": {**test["metadata"], **metadata}}


def _split_of(family: str) -> str:
    """Return a family's split by its hash."""
    at = int(hashlib.sha256(family.encode()).hexdigest(), 16) % 100
    for split, share in _SHARES:
        at -= share
        if at < 0:
            return split
    return _SHARES[-1][0]
