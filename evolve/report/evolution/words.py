"""The answers that a report of an evolution gives, in words and numbers: the same on the console and the page."""

from collections.abc import Iterator
from typing import NamedTuple

from evolve.core.evolution.candidate import CandidateRecord, cell_passed, compare
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.gate import BeyondLookup, GateDecision
from evolve.core.text.counts import count
from evolve.report.evolution.numbers import points, share
from evolve.report.short_text import cut, to_text

SHOWN_ANSWER, SHOWN_REASON = 200, 300
"""Characters in the table of failing cases: a few lines each; the evidence of the case has all of it."""


class Headline(NamedTuple):
    """The result of a run in a few words; `state` is one of pass, fail, error and the empty string."""

    state: str
    word: str
    reason: str


class Gain(NamedTuple):
    """The incumbent's and the leader's score on the same cases."""

    split: str
    before: float
    after: float
    cases: int
    families: int | None = None
    """None outside the gate."""


class Harm(NamedTuple):
    """Harmful answers of the incumbent and the leader on the same cases."""

    before: int
    after: int
    split: str

    @property
    def detail(self) -> str:
        """Return what to compare the number with."""
        return f"before {self.before:,}, on the same {self.split} cases"


class Lookup(NamedTuple):
    """Scores of the lookup, which asks no model, and of the winner."""

    vote: float
    winner: float
    cases: str
    """Which cases both answered."""
    beyond: BeyondLookup | None = None
    """The comparison with the best baseline, on the gate's cases; None before the gate, and in older runs."""

    @property
    def wins(self) -> bool:
        """Whether to use the lookup: the winner is not shown to be better, or without an interval it is worse."""
        return self.vote > self.winner if self.beyond is None else not self.beyond.is_beyond

    @property
    def word(self) -> str:
        """Return the conclusion in a few words."""
        if self.wins:
            return "use the lookup"
        if self.beyond:
            return "beyond the lookup"
        return "the lookup is worse" if self.vote < self.winner else "the lookup is as good"

    @property
    def text(self) -> str:
        """Return the conclusion with both scores."""
        return f"{self.word}: {self.detail}"

    @property
    def detail(self) -> str:
        """Return both scores, and the interval where there is one."""
        name = f" ({self.beyond.baseline})" if self.beyond else ""
        both = f"{share(self.vote)} without a model{name}, {share(self.winner)} with the prompt, on {self.cases}"
        return f"{self.interval}; {both}" if self.beyond else both

    @property
    def interval(self) -> str:
        """Return the winner's lead over the lookup with its interval; empty without one."""
        if self.beyond is None:
            return ""
        found = self.beyond
        return f"{points(found.gain)} points, {points(found.low)} to {points(found.high)} (95%)"


class Failing(NamedTuple):
    """A case that the leader fails."""

    task: str
    name: str
    family: str
    split: str
    status: str
    file: str
    answer: str
    reason: str
    was_right: bool
    """The incumbent passes it."""


_WORDS = {
    "proven": ("pass", "Better: proven"),
    "provisional": ("error", "Better, not proven"),
    "rejected": ("fail", "Not better"),
    "untested": ("error", "Better, not tested"),
    "no-better": ("fail", "Nothing better found"),
    "interrupted": ("error", "Interrupted"),
    "nothing-to-do": ("", "Nothing to do"),
}


_CHEAPER = {
    "proven": ("pass", "Cheaper: proven"),
    "provisional": ("error", "Cheaper, not proven"),
    "rejected": ("fail", "Not cheaper"),
}
"""The same where the gate tested whether the winner is cheaper."""


def verdict(evolution: EvolutionSummary) -> Headline:
    """Return whether the agent got better, or cheaper."""
    words = _CHEAPER if evolution.gate and evolution.gate.decision.lane == "cheaper" else {}
    if evolution.finished:
        outcome = evolution.finished.outcome
        return Headline(*words.get(outcome, _WORDS[outcome]), evolution.finished.reason)
    if evolution.gate:
        word = evolution.gate.decision.word
        return Headline(*words.get(word, _WORDS[word]), evolution.gate.decision.reason)
    return Headline("", "Not finished", f"the run is in its {evolution.phase} phase")


def gain(evolution: EvolutionSummary) -> Gain | None:
    """Return the gain: at the gate, else on the val cases, else on the train cases that both answered."""
    if evolution.gate:
        decision = evolution.gate.decision
        return Gain("gate", decision.incumbent, decision.candidate, decision.cases, decision.families)
    incumbent, leader = evolution.incumbent, evolution.leader
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return None
    for split in ("val", "train"):
        found = compare(incumbent, leader, split)
        if found:
            return Gain(split, found.first, found.second, found.cases)
    return None


def where(found: Gain) -> str:
    """Return the cases of a gain, such as `24 cases of 6 families that the search never saw`."""
    cases = count(found.cases, "case")
    if found.families is not None:
        return f"{cases} of {count(found.families, 'family', 'families')} that the search never saw"
    return f"{cases} of {found.split}, which the search has seen"


def interval(decision: GateDecision) -> str:
    """Return the gain's confidence interval, in percentage points."""
    return f"{points(decision.low)} to {points(decision.high)} points (95%)"


def p_against_alpha(decision: GateDecision) -> str:
    """Return the result of the test, such as `p = 0.0625 against alpha = 0.025`."""
    return f"p = {decision.p_value:.3g} against alpha = {decision.alpha:.3g}"


def won_and_lost(decision: GateDecision) -> tuple[int, int]:
    """Return how many discordant pairs the candidate wins and loses."""
    won = sum(pair.candidate > pair.incumbent for pair in decision.discordant)
    return won, len(decision.discordant) - won


def doubts(decision: GateDecision) -> Iterator[str]:
    """Yield what a reader must know in addition to the gate's decision."""
    if decision.tokens:
        yield f"lane: cheaper; {decision.tokens.saved:.0%} fewer tokens, at most 2 points worse"
    if decision.missing_families:
        missing = count(decision.missing_families, "more family", "more families")
        yield f"{missing} would be needed to prove {'it' if decision.tokens else 'a gain of this size'}"
    if decision.lost_pinned:
        yield f"lost {count(len(decision.lost_pinned), 'pinned case')}: {', '.join(decision.lost_pinned)}"
    if decision.new_harm:
        yield f"does harm in {count(len(decision.new_harm), 'case')} where it did none: {', '.join(decision.new_harm)}"
    if decision.disagreement is not None:
        yield f"repeat check: {share(decision.disagreement)} of repeated answers changed"


def harm(evolution: EvolutionSummary) -> Harm | None:
    """Return harmful answers of incumbent and leader; None without two to compare."""
    incumbent, leader = evolution.incumbent, evolution.leader
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return None
    for split in ("gate", "val", "train"):
        found = compare(incumbent, leader, split)
        if found:
            return Harm(found.first_harmful, found.second_harmful, split)
    return None


def lookup(evolution: EvolutionSummary) -> Lookup | None:
    """Return the scores of lookup and winner on the same cases; None when there was no lookup."""
    leader, vote = evolution.leader, evolution.vote
    if evolution.gate and evolution.gate.beyond:
        found_beyond = evolution.gate.beyond
        families = count(found_beyond.families, "family", "families")
        cases = f"{count(found_beyond.cases, 'case')} of {families}"
        return Lookup(found_beyond.baseline_score, found_beyond.winner_score, cases, found_beyond)
    if evolution.gate and evolution.gate.vote is not None:
        # The gate weighs families equally; so does the lookup's score here, where its answers are known.
        by_family = evolution.family_mean(vote, "gate") if vote else None
        score = evolution.gate.vote if by_family is None else by_family
        return Lookup(score, evolution.gate.decision.candidate, "the gate's cases")
    if leader is None or vote is None or leader is vote:
        return None
    for split in ("val", "train"):
        found = compare(vote, leader, split)
        if found:
            return Lookup(found.first, found.second, f"{count(found.cases, 'case')} of {split}")
    return None


def remaining_failures(evolution: EvolutionSummary) -> list[Failing]:
    """Return what still fails: known cases first, then those of val and gate."""
    found = []
    before = evolution.incumbent.cells if evolution.incumbent and evolution.has_new_leader else {}
    for name, cell in (*evolution.failing("train"), *evolution.failing("val", "gate")):
        task = evolution.tasks.get(name)
        # Of several repeats, one that failed is shown.
        rollout = next((item for item in cell if not item.passed), cell[-1]) if cell else None
        found.append(
            Failing(
                name,
                task.description if task else name,
                task.family if task else "",
                task.split if task else "train",
                task.status if task else "",
                task.file if task else "",
                cut(to_text(rollout.output), SHOWN_ANSWER) if rollout else "",
                cut(rollout.reason, SHOWN_REASON) if rollout else "",
                name in before and cell_passed(before[name]),
            )
        )
    return found


def lineage(evolution: EvolutionSummary) -> list[CandidateRecord]:
    """Return the leader's line of first parents, the leader last; empty when the incumbent leads.

    The line begins after the incumbent, or with a candidate that has no parents because a person wrote it.
    """
    found: list[CandidateRecord] = []
    candidate = evolution.leader if evolution.has_new_leader else None
    while candidate is not None and candidate not in found and candidate is not evolution.incumbent:
        found.insert(0, candidate)
        parents = candidate.info.parents
        candidate = evolution.candidates.get(parents[0]) if parents else None
    return found
