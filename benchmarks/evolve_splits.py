"""The cases of `evolve_embedded.py`: which families a method may learn from, which only judge it, and the judgement.

The held-out families are half of the suite's val and gate families, by hash. No method sees them: each gets the suite
without them. The hash decides within a split and a right answer, so that both halves hold all answers alike.
"""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.json_value import JsonValue

_Key = TypeVar("_Key", bound=Hashable)
_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """One test of the suite."""

    family: str
    split: str
    accepted: tuple[str, ...]
    """Right answers, the best first."""
    forbidden: tuple[str, ...]
    vars: Mapping[str, JsonValue]

    @property
    def label(self) -> str:
        """The best answer."""
        return self.accepted[0]


@dataclass(frozen=True, slots=True)
class Splits:
    """What methods learn from (train, val), what our gate reads (gate), and what judges them all (held_out)."""

    train: tuple[Case, ...]
    val: tuple[Case, ...]
    gate: tuple[Case, ...]
    held_out: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one held-out case."""

    family: str
    answer: str | None
    """None when there was no valid one, which is wrong."""
    is_right: bool
    is_harmful: bool
    group: str = ""
    """The kind of case, where a task has several."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and the 95 % interval of it."""

    value: float
    low: float
    high: float


def read_cases(suite: Path) -> tuple[Case, ...]:
    """The cases of a suite file."""
    return tuple(_case(test) for test in _tests(parse_yaml(suite.read_text(encoding="utf-8"), str(suite))))


def split_cases(cases: Sequence[Case]) -> Splits:
    """The cases by what they are for; no family is in two of them."""
    held = held_out_families(cases)
    parts: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        parts["held out" if case.family in held else case.split].append(case)
    return Splits(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["gate"]), tuple(parts["held out"]))


def held_out_families(cases: Sequence[Case]) -> frozenset[str]:
    """Every second family of val and gate, in the order of their hashes, for each split and best answer."""
    strata: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for case in cases:
        if case.split != "train":
            strata[case.split, case.label].setdefault(case.family)
    return frozenset(family for families in strata.values() for family in sorted(families, key=_hash)[::2])


def without_families(suite: JsonValue, families: frozenset[str]) -> dict[str, JsonValue]:
    """The suite, as JSON, without the tests of those families."""
    assert isinstance(suite, dict)
    kept: list[JsonValue] = [test for test in _tests(suite) if _metadata(test).get("family") not in families]
    return {**suite, "tests": kept}


def sample_by_family(cases: Iterable[Case], size: int, seed: int) -> tuple[Case, ...]:
    """At most `size` cases: from each family one, then a second, ..., the best answers in turn."""
    dice = random.Random(seed)
    shuffled = sorted(cases, key=lambda case: (case.family, str(case.vars)))
    dice.shuffle(shuffled)
    by_family = sorted(_numbered(shuffled, lambda case: case.family), key=lambda item: item[0])
    by_answer = sorted(_numbered([case for _, case in by_family], lambda case: case.label), key=lambda item: item[0])
    return tuple(case for _, case in by_answer[:size])


def judge(case: Case, answer: str | None) -> Outcome:
    """What an answer to a case is worth."""
    return Outcome(case.family, answer, answer in case.accepted, answer in case.forbidden)


def accuracy(outcomes: Sequence[Outcome], seed: int = 0) -> Interval:
    """The share of right answers; families, not cases, are drawn in the bootstrap."""
    return _bootstrap({name: (sum(o.is_right for o in own), len(own)) for name, own in _families(outcomes)}, seed)


def harm(outcomes: Sequence[Outcome]) -> float:
    """The share of answers that are among a case's forbidden ones."""
    return sum(outcome.is_harmful for outcome in outcomes) / len(outcomes)


def gain(ours: Sequence[Outcome], theirs: Sequence[Outcome], seed: int = 0) -> Interval:
    """How much higher our share of right answers is, on the same cases in the same order."""
    if [outcome.family for outcome in ours] != [outcome.family for outcome in theirs]:
        raise ValueError("the two were not measured on the same cases")
    other = dict(_families(theirs))
    sums = {
        name: (sum(o.is_right for o in own) - sum(o.is_right for o in other[name]), len(own))
        for name, own in _families(ours)
    }
    return _bootstrap(sums, seed)


def _bootstrap(sums: Mapping[str, tuple[float, int]], seed: int) -> Interval:
    """Percentile bootstrap of sum / count, both drawn family by family."""
    dice = random.Random(seed)
    families = list(sums.values())
    drawn = sorted(_ratio(dice.choices(families, k=len(families))) for _ in range(_ROUNDS))
    return Interval(_ratio(families), drawn[int(_ROUNDS * 0.025)], drawn[int(_ROUNDS * 0.975)])


def _ratio(families: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in families) / sum(count for _, count in families)


def _families(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.family].append(outcome)
    return sorted(groups.items())


def _numbered(cases: Iterable[Case], key: Callable[[Case], _Key]) -> list[tuple[int, Case]]:
    """Each case with how many of its own kind came before it."""
    seen: Counter[_Key] = Counter()
    numbered = []
    for case in cases:
        numbered.append((seen[key(case)], case))
        seen[key(case)] += 1
    return numbered


def _case(test: Mapping[str, JsonValue]) -> Case:
    metadata, shown = _metadata(test), test["vars"]
    assert isinstance(shown, dict)
    words = {key: tuple(str(word) for word in _list(metadata.get(key))) for key in ("accepted", "forbidden")}
    return Case(str(metadata["family"]), str(metadata["split"]), words["accepted"], words["forbidden"], shown)


def _tests(suite: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(suite, dict)
    return [test for test in _list(suite["tests"]) if isinstance(test, dict)]


def _metadata(test: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    metadata = test["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _hash(family: str) -> str:
    return hashlib.sha256(family.encode()).hexdigest()
