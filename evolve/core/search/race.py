"""What a candidate is tried on, and when it is given up: a screen of six known cases, then a race in growing blocks.

Permissive on purpose: a small model's scores are noise to a third, and a strict test inside the search starves it. The
gate is strict.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from evolve.core.search.population import Candidate
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count

KNOWN_FAILURES = 4
KNOWN_PASSES = 2
BLOCKS = (12, 24, 40)
"""Cases after which a candidate may leave the race."""
_PASSES_AT = 0.5


class RaceDecision(NamedTuple):
    """Whether to go on with a candidate, and why."""

    kept: bool
    reason: str


def race_size(budget: int, available: int) -> int:
    """Return the number of train cases in a race: a sixth of the budget, from 12 to 40, at most `available`."""
    return min(available, max(BLOCKS[0], min(BLOCKS[-1], budget // 6)))


def blocks(size: int) -> list[int]:
    """Return the sizes after which a race of `size` cases is checked; the last is `size` itself."""
    return [*(block for block in BLOCKS if block < size), size]


def screen_tasks(parent: Candidate, race: Sequence[Task], chance: Rng) -> list[Task]:
    """Return up to 4 cases that the parent fails and 2 that it passes, among those it answered, failures first."""
    known = [task for task in race if task.id in parent.scores]
    failures = [task for task in known if parent.scores[task.id].value < _PASSES_AT]
    passes = [task for task in known if parent.scores[task.id].value >= _PASSES_AT]
    return [
        *chance.sample(failures, min(KNOWN_FAILURES, len(failures))),
        *chance.sample(passes, min(KNOWN_PASSES, len(passes))),
    ]


def screen_candidate(child: Candidate, parent: Candidate, tasks: Sequence[Task]) -> RaceDecision:
    """Keep a child that fixes at least one of the parent's cases and breaks no more than it fixes."""
    mended = sum(child.scores[t.id].value > parent.scores[t.id].value for t in tasks)
    lost = sum(child.scores[t.id].value < parent.scores[t.id].value for t in tasks)
    kept = mended >= 1 and mended >= lost
    return RaceDecision(
        kept, f"mends {mended} and loses {lost} of {count(len(tasks), 'case')} that its parent had answered"
    )


def still_racing(child: Candidate, leader: Candidate, tasks: Sequence[Task]) -> RaceDecision:
    """Keep a child unless it is worse than the leader, on cases both answered, by over one standard error."""
    both = [task.id for task in tasks if task.id in child.scores and task.id in leader.scores]
    if not both:
        return RaceDecision(True, "nothing to compare with yet")
    own, best = child.mean(both), leader.mean(both)
    slack = math.sqrt(0.25 / len(both))
    kept = own >= best - slack
    return RaceDecision(
        kept, f"{own:.2f} against the leader's {best:.2f} on {count(len(both), 'case')} (slack {slack:.2f})"
    )
