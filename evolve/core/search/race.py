"""What a candidate is tested on, and when it is dropped: a screen of six known cases, then a race in growing blocks.

Failure cases are failures by selection. On them alone any other prompt looks better, and one that answers everything
alike may pass many. So a screen has as many known passes as failures, a race's blocks take them in turn, and the
failures that were put in count only as much as failures do in the suite.

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

SCREEN = 6
"""Cases of a screen: cheap, and enough to notice an edit that fixes nothing, or that breaks everything."""
KNOWN_PASSES = 3
"""Cases of a screen that the parent passes, where it passes so many: half of it, as many as it fails."""
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
    """Return 3 cases of the race that the parent failed and 3 that it passed, failures first.

    For lack of passes there are more failures, up to 6: a screen of three cases would hardly ever show a fix.
    """
    failures, passes = _failed_and_passed(parent, race)
    kept = min(KNOWN_PASSES, len(passes))
    return [
        *rng.sample(failures, min(SCREEN - kept, len(failures))),
        *rng.sample(passes, kept),
    ]


def balance(race: Sequence[Task], incumbent: Candidate) -> list[Task]:
    """Return the race in another order: cases that the incumbent fails and passes in turn, while there are both."""
    failures, passes = _failed_and_passed(incumbent, race)
    both = [task for pair in zip(failures, passes, strict=False) for task in pair]
    known = {task.id for task in both}
    return [*both, *(task for task in race if task.id not in known)]


def weights(race: Sequence[Task], incumbent: Candidate, train: Sequence[Task]) -> dict[str, float]:
    """Return what each case of the race counts, so that failures weigh as much as they do in the suite.

    Args:
        race: its cases.
        incumbent: it has answered them.
        train: all train cases. Where the race has no open failure case, or the suite no other case, or the incumbent
            passes all of the race or none, each case counts 1 and the result is empty.
    """
    failures, passes = _failed_and_passed(incumbent, race)
    is_chosen = any(task.status == "open" for task in race)
    rate = _pass_rate(race, incumbent, [task for task in train if task.is_of_suite])
    if not is_chosen or rate is None or not failures or not passes:
        return {}
    total = len(failures) + len(passes)
    return {
        **{task.id: (1 - rate) * total / len(failures) for task in failures},
        **{task.id: rate * total / len(passes) for task in passes},
    }


def _pass_rate(race: Sequence[Task], incumbent: Candidate, suite: Sequence[Task]) -> float | None:
    """How often the incumbent passes the suite: its open failure cases and its other tests, each by those in the race.

    None where the race has none of the others.
    """
    known = {task.id for task in suite}
    rate = 0.0
    if not suite:
        return None
    for is_open in (True, False):
        part = [task for task in suite if (task.status == "open") is is_open]
        failed, passed = _failed_and_passed(
            incumbent, [task for task in race if task.id in known and (task.status == "open") is is_open]
        )
        asked = len(failed) + len(passed)
        if not asked and not is_open:
            return None
        # Laplace's rule for the others: a rate of 0 or 1 in a small sample must not make the other cases worthless.
        share = len(passed) / asked if asked and is_open else (len(passed) + 1) / (asked + 2) if asked else 0.0
        rate += share * len(part) / len(suite)
    return rate


def _failed_and_passed(candidate: Candidate, race: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """The cases that the candidate failed and those that it passed, of those that it answered."""
    known = [task for task in race if task.id in candidate.scores]
    failures = [task for task in known if not candidate.scores[task.id].passed]
    return failures, [task for task in known if candidate.scores[task.id].passed]


def screen_candidate(
    child: Candidate, parent: Candidate, tasks: Sequence[Task], *, needs_fix: bool = True
) -> RaceDecision:
    """Keep a child that breaks no more of the parent's cases than it fixes.

    Args:
        child: it has answered the tasks, as its parent has.
        parent: where the child came from.
        tasks: of the screen.
        needs_fix: drop a child that fixes none.
    """
    fixed = sum(child.scores[t.id].value > parent.scores[t.id].value for t in tasks)
    broken = sum(child.scores[t.id].value < parent.scores[t.id].value for t in tasks)
    kept = fixed >= (1 if needs_fix else 0) and fixed >= broken
    return RaceDecision(kept, f"fixed {fixed} and broke {broken} of its parent's {count(len(tasks), 'case')}")


def still_racing(child: Candidate, leader: Candidate, tasks: Sequence[Task]) -> RaceDecision:
    """Keep a child unless it is worse than the leader, on cases both answered, by over one standard error."""
    both = [task.id for task in tasks if task.id in child.scores and task.id in leader.scores]
    if not both:
        return RaceDecision(True, "no case in common with the leader yet")
    own, best = child.mean(both), leader.mean(both)
    # 0.25 is the largest variance that a score in 0..1 can have: the error is never taken too small.
    slack = math.sqrt(0.25 / _effective(child, both))
    kept = own >= best - slack
    return RaceDecision(
        kept, f"scored {own:.2f}, the leader {best:.2f}, on {count(len(both), 'case')} (allowed gap {slack:.2f})"
    )


def _effective(child: Candidate, tasks: Sequence[str]) -> float:
    """How many cases of equal weight tell as much as these (Kish, Survey Sampling, 1965, section 11.7)."""
    known = [child.weights.get(name, 1.0) for name in tasks]
    return sum(known) ** 2 / sum(weight * weight for weight in known)
