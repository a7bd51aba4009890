"""Candidates with what is known of them, the Pareto front over cases, and whom to take as a parent.

The front: for each case the candidates with the best score on it. A case that no candidate solves, or every one, does
not separate them and is ignored. GEPA (Agrawal et al. 2025, "GEPA: Reflective Prompt Evolution Can Outperform
Reinforcement Learning", arXiv 2507.19457) selects parents by such a front.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evolve.core.search.genome import Genome
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Score

_FROM_THE_FRONT = 0.3
"""The share of parents that come from the front: specialists get a turn, and the best means still get most of them."""
_CHILDREN_HALVE_AT = 3
"""A parent with this many children is chosen half as often, so that one early leader does not take the whole budget."""
_PRIOR_CASES = 6
"""The incumbent's mean counts as this many more known cases: after a screen of six, a candidate's own mean is half."""
_LEAST_WEIGHT = 0.02
"""Added to each mean, so that a candidate with a mean of 0 can still be chosen and the weights never sum to 0."""


@dataclass(slots=True)
class Candidate:
    """A genome under search. Only its scores and its number of children change."""

    genome: Genome
    parents: tuple[str, ...]
    operator: str
    note: str
    number: int
    """0 for the incumbent, then in the order of proposal."""
    scores: dict[str, Score] = field(default_factory=dict)
    """By task id."""
    children: int = 0
    weights: Mapping[str, float] = field(default_factory=dict, repr=False)
    """What a case counts, by task id; 1 where it is not named (`race.weights`)."""
    reflector: str = ""
    """Who wrote it; empty where no model was asked."""
    id: str = field(init=False)
    """The genome's, made once: a search asks for it a thousand times."""

    def __post_init__(self) -> None:
        self.id = self.genome.id

    def mean(self, tasks: Iterable[str] | None = None) -> float:
        """Return the weighted mean score on the tasks that it answered (of those named); 0 without any."""
        known = [i for i in (self.scores if tasks is None else tasks) if i in self.scores]
        total = sum(self.weights.get(i, 1.0) for i in known)
        return sum(self.weights.get(i, 1.0) * self.scores[i].value for i in known) / total if total else 0.0

    def plain_mean(self, tasks: Iterable[str] | None = None) -> float:
        """Return the mean score on the same tasks, each counted once; 0 without any."""
        known = [self.scores[i].value for i in (self.scores if tasks is None else tasks) if i in self.scores]
        return sum(known) / len(known) if known else 0.0

    def cautious_mean(self, prior: float) -> float:
        """Return the mean, moved towards `prior` where few cases are known."""
        known = len(self.scores)
        return (self.mean() * known + prior * _PRIOR_CASES) / (known + _PRIOR_CASES)


def front(population: Sequence[Candidate]) -> Mapping[str, int]:
    """Return how many cases each candidate of the front is best at, by candidate id."""
    wins: dict[str, int] = {}
    cases = sorted({case for member in population for case in member.scores})
    for case in cases:
        known = {member.id: member.scores[case].value for member in population if case in member.scores}
        best = max(known.values())
        if len(known) < 2 or best <= 0 or min(known.values()) == best:
            continue
        for member, value in known.items():
            if value == best:
                wins[member] = wins.get(member, 0) + 1
    return wins


def choose_parent(population: Sequence[Candidate], rng: Rng) -> Candidate:
    """Return a parent: 30 % from the front by its wins, 70 % by mean; less often one with many children."""
    wins = front(population)
    prior = population[0].mean()
    if wins and rng.random() < _FROM_THE_FRONT:
        weights = [float(wins.get(member.id, 0)) for member in population]
    else:
        # Squared: a candidate twice as good is chosen four times as often.
        weights = [(_LEAST_WEIGHT + member.cautious_mean(prior)) ** 2 for member in population]
    return choose_weighted(
        population,
        [w / (1 + m.children / _CHILDREN_HALVE_AT) for w, m in zip(weights, population, strict=True)],
        rng,
    )


def choose_weighted(members: Sequence[Candidate], weights: Sequence[float], rng: Rng) -> Candidate:
    """Return one member at random, in proportion to the weights."""
    spot = rng.random() * sum(weights)
    for member, weight in zip(members, weights, strict=True):
        spot -= weight
        if spot < 0:
            return member
    return members[-1]


def best_of(population: Sequence[Candidate]) -> Candidate:
    """Return the best candidate by cautious mean; the earlier one if two are equal."""
    prior = population[0].mean()
    return max(population, key=lambda member: (member.cautious_mean(prior), -member.number))
