"""Families and their splits: frozen by hash, so that a family never stands in two splits, whoever asks."""

import hashlib
from typing import Literal, get_args

from evolve.core.model.suite import Evaluation

Split = Literal["train", "val", "gate"]
"""train feeds operators and races, val chooses among finalists, gate is read once, by the gate."""


def family_of(evaluation: Evaluation) -> str:
    """The test's family: what its metadata say, else its description."""
    return str(evaluation.test.metadata.get("family") or evaluation.test.description or evaluation.id)


_TRAIN, _VAL = 0.6, 0.8
"""Upper ends of the shares of train and val; the rest is the gate's."""
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of_family(family: str) -> Split:
    """Train for 60 % of families, val and gate for 20 % each."""
    spot = int.from_bytes(hashlib.sha256(f"split:{family}".encode()).digest()[:8]) / 2**64
    return "train" if spot < _TRAIN else "val" if spot < _VAL else "gate"


def split_named(name: str) -> Split | None:
    """The split of that name, None for any other word."""
    return next((split for split in SPLITS if split == name), None)
