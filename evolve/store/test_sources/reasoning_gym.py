"""`reasoning-gym:NAME?size=20&seed=1&split=gate`: tests that the package reasoning-gym makes, as many as one wants.

Another seed makes other tests, so a gate of them never wears out. A question that two seeds make is one family, so that
it cannot be in two splits unnoticed.
"""

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from evolve.core.text.did_you_mean import did_you_mean
from evolve.store.test_sources._options import SourceName, read_name

_OWN_KEYS: Final = frozenset(("size", "seed", "split"))
_SIZE: Final = 50
"""Tests without `size`."""
_APART: Final = 1_000_003
"""Between the first tests of two seeds. The package makes its test N of seed S from S + N alone: unspread, 49 of 50
tests of seed 2 were those of seed 1."""
_TRIES: Final = 4
"""Tests made for each one asked for, at most: a question that came already is left out."""
_EXACT: Final = """\
let data = output;
try { data = typeof output === "string" ? JSON.parse(output) : output; } catch { /* plain text */ }
const given = String(data !== null && typeof data === "object" ? data.answer : data).trim();
const wanted = context.test.metadata.accepted[0].answer;
const isNumber = (text) => text !== "" && Number.isFinite(Number(text));
const pass = given === wanted || (isNumber(given) && isNumber(wanted) && Number(given) === Number(wanted));
return { pass, score: pass ? 1 : 0, reason: `expected ${wanted}, got ${given}` };
"""
"""The output, or its `answer`, is the expected text or the same number."""


def read_tests(name: str, env: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: ARG001  # as every source
    """Return `size` tests (50) of one data set with `seed` (0); other options are the data set's own settings.

    The var is `question`. The answer is exact: text, or JSON with `answer`. Each question is a family and comes once;
    a data set that has too few gives fewer.

    Raises:
        InputError: an unknown data set or setting, or the package is not installed.
    """
    found = read_name(name, (), None)
    size, seed = found.number("size", 1) or _SIZE, found.number("seed") or 0
    return [_test(entry, at, seed, found) for at, entry in enumerate(_entries(found, size, seed))]


def _entries(name: SourceName, size: int, seed: int) -> list[Mapping[str, Any]]:
    try:
        factory = importlib.import_module("reasoning_gym.factory")
    except ModuleNotFoundError as exc:
        missing = (exc.name or "reasoning_gym").partition(".")[0].replace("_", "-")
        raise name.problem(f"the package {missing} is not installed", "type: ./bootstrap.sh bench") from exc
    if name.part not in factory.DATASETS:
        near = did_you_mean(name.part, factory.DATASETS) or f"it has {len(factory.DATASETS)}, such as time_intervals"
        raise name.problem(f"unknown data set {name.part!r}", near)
    settings = {key: _value(text) for key, text in name.options.items() if key not in _OWN_KEYS}
    try:
        made = factory.create_dataset(name.part, size=size * _TRIES, seed=seed * _APART, **settings)
        return _different(made, size)
    except (TypeError, ValueError, AssertionError) as exc:  # its config is a data class that checks by assertions
        raise name.problem(f"reasoning-gym refused the settings: {exc}") from exc


def _different(made: Iterable[Mapping[str, Any]], size: int) -> list[Mapping[str, Any]]:
    """Return the first entries with different questions; each is made when it is asked for."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in made:
        found.setdefault(str(entry["question"]), entry)
        if len(found) == size:
            break
    return [*found.values()]


def _value(text: str) -> Any:
    """Return a setting's value: JSON where it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _test(entry: Mapping[str, Any], at: int, seed: int, name: SourceName) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "family": f"{name.part} {hashlib.sha256(str(entry['question']).encode()).hexdigest()[:12]}",
        "source": f"reasoning-gym {name.part}",
        "accepted": [{"answer": str(entry["answer"]).strip()}],
    }
    return {
        "description": f"{name.part} {seed}-{at}",
        "vars": {"question": str(entry["question"])},
        "assert": [{"type": "javascript", "value": _EXACT, "metric": "accuracy"}],
        "metadata": metadata | ({"split": name.split} if name.split else {}),
    }
