"""The sample of a split that a run uses: as many families as possible, in an order fixed by hash and seed."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from evolve.core.search.tasks import Task


def sample(tasks: Iterable[Task], size: int, *, seed: int = 0) -> list[Task]:
    """Return at most `size` tasks: many families, answers in turn, the order fixed by hash and seed.

    It takes as many families as possible. The first n of a larger sample are the sample of size n.
    """
    ranked = sorted(tasks, key=lambda task: _rank(task, seed))
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, Task]] = []
    for task in ranked:
        rounds.append((seen[task.family], task))
        seen[task.family] += 1
    # First one task of each family, then a second one of each ...
    in_rounds = [task for _, task in sorted(rounds, key=lambda pair: pair[0])]
    return _answers_in_turn(in_rounds, {task.id: number for number, task in rounds})[:size]


def _answers_in_turn(tasks: Sequence[Task], rounds: dict[str, int]) -> list[Task]:
    """Return the tasks so that the answers take turns within each round: a short sample has them all."""
    turns: Counter[tuple[int, str]] = Counter()
    keyed: list[tuple[int, int, int, Task]] = []
    for spot, task in enumerate(tasks):
        kind = (rounds[task.id], str(task.label))
        keyed.append((rounds[task.id], turns[kind], spot, task))
        turns[kind] += 1
    return [task for *_, task in sorted(keyed, key=lambda item: item[:3])]


def _rank(task: Task, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{task.id}".encode()).hexdigest()
