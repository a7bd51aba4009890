"""What a candidate is tested on, and when it is dropped: a screen of six known cases, then a race in growing blocks.

Both are permissive on purpose: about a third of a small model's scores is noise, and a strict test inside the search
would leave it without candidates. The gate is strict.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from evolve.core.search.population import Candidate
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count

KNOWN_FAILURES = 4
"""Cases of a screen that the parent fails: most of it, because only these can show that an edit helps."""
KNOWN_PASSES = 2
"""Cases of a screen that the parent passes: enough to notice an edit that breaks everything, and cheap."""
BLOCKS = (12, 24, 40)
"""Cases after which a candidate may leave the race. The first is also the shortest race, the last the longest.

After 12 cases one standard error is 14 points, after 40 it is 8: a shorter race would show only chance.
"""
_SEARCH_SHARE = 6
"""A race takes at most one part in this many of the search's budget, so that several candidates can finish one."""


class RaceDecision(NamedTuple):
    """Whether to go on with a candidate, and why."""

    kept: bool
    reason: str


def race_size(budget: int, available: int) -> int:
    """Return the number of train cases in a race: a sixth of the budget, from 12 to 40, at most `available`."""
    return min(available, max(BLOCKS[0], min(BLOCKS[-1], budget // _SEARCH_SHARE)))


def blocks(size: int) -> list[int]:
    """Return the sizes after which a race of `size` cases is checked; the last is `size` itself."""
    return [*(block for block in BLOCKS if block < size), size]


def screen_tasks(parent: Candidate, race: Sequence[Task], rng: Rng) -> list[Task]:
    """Return up to 4 cases that the parent fails and 2 that it passes, among those it answered, failures first."""
    known = [task for task in race if task.id in parent.scores]
    failures = [task for task in known if not parent.scores[task.id].passed]
    passes = [task for task in known if parent.scores[task.id].passed]
    return [
        *rng.sample(failures, min(KNOWN_FAILURES, len(failures))),
        *rng.sample(passes, min(KNOWN_PASSES, len(passes))),
    ]


def screen_candidate(child: Candidate, parent: Candidate, tasks: Sequence[Task]) -> RaceDecision:
    """Keep a child that fixes at least one of the parent's cases and breaks no more than it fixes."""
    fixed = sum(child.scores[t.id].value > parent.scores[t.id].value for t in tasks)
    broken = sum(child.scores[t.id].value < parent.scores[t.id].value for t in tasks)
    kept = fixed >= 1 and fixed >= broken
    return RaceDecision(kept, f"fixed {fixed} and broke {broken} of its parent's {count(len(tasks), 'case')}")


def still_racing(child: Candidate, leader: Candidate, tasks: Sequence[Task]) -> RaceDecision:
    """Keep a child unless it is worse than the leader, on cases both answered, by over one standard error."""
    both = [task.id for task in tasks if task.id in child.scores and task.id in leader.scores]
    if not both:
        return RaceDecision(True, "no case in common with the leader yet")
    own, best = child.mean(both), leader.mean(both)
    # 0.25 is the largest variance that a score in 0..1 can have: the error is never taken too small.
    slack = math.sqrt(0.25 / len(both))
    kept = own >= best - slack
    return RaceDecision(
        kept, f"scored {own:.2f}, the leader {best:.2f}, on {count(len(both), 'case')} (allowed gap {slack:.2f})"
    )
