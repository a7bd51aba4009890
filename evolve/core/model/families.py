"""Families and their splits. A hash decides the split, so a family has the same one in every run."""

import hashlib
from typing import Literal, get_args

from evolve.core.model.suite import Evaluation

Split = Literal["train", "val", "gate", "test"]
"""train is for operators and races, val to choose among finalists, gate is read once, by the gate. test is for
benchmarks: no evolution reads it, whatever it decides."""


def family_of(evaluation: Evaluation) -> str:
    """Return the test's family: from its metadata, else its description."""
    return str(evaluation.test.metadata.get("family") or evaluation.test.description or evaluation.id)


_TRAIN, _VAL = 0.6, 0.8
"""Upper ends of the shares of train and val; the rest is the gate's. A change would move families that a search has
already seen into the gate."""
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of_family(family: str) -> Split:
    """Return the split of a family: train for 60 % of them, val and gate for 20 % each."""
    spot = int.from_bytes(hashlib.sha256(f"split:{family}".encode()).digest()[:8]) / 2**64
    return "train" if spot < _TRAIN else "val" if spot < _VAL else "gate"


def split_named(name: str) -> Split | None:
    """Return the split with this name, or None."""
    return next((split for split in SPLITS if split == name), None)
