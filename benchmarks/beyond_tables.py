"""The tables of `evolve_beyond.py`: seeds pooled, intervals by bootstrap over families, gains paired by case."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from beyond_units import UnitResult
from evolve_splits import Interval, Outcome, accuracy, gain, harm

Group = Mapping[str, Sequence[UnitResult]]
"""By arm, its results under all seeds."""


def table(results: Sequence[UnitResult]) -> str:
    """Return a Markdown table for each task and target."""
    groups: dict[tuple[str, str], dict[str, list[UnitResult]]] = {}
    for one in results:
        groups.setdefault((one.unit.task, one.unit.target), {}).setdefault(one.unit.arm, []).append(one)
    return "\n\n".join(_table(*key, group) for key, group in groups.items())


def _table(task: str, target: str, group: Group) -> str:
    first = next(iter(group.values()))[0]
    families = len({outcome.family for outcome in first.outcomes})
    head = [
        f"### {task}, {target}: {len(first.outcomes)} held-out cases of {families} families",
        "",
        "| arm | seeds | accuracy | 95 % | beyond lookup | beyond think | harm | search tokens | answers "
        "| CPU s | tokens an answer | CPU s an answer |",
        "|---|---:|---:|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows = [_row(arm, own, group) for arm, own in group.items()]
    return "\n".join([*head, *rows, "", *_kinds(group), *_notes(group)])


def _kinds(group: Group) -> list[str]:
    """Return a table of each kind of case, where there are several: a gain in one may hide a loss in another."""
    kinds = sorted({outcome.group for own in group.values() for outcome in _pooled(own)})
    if len(kinds) < 2:
        return []
    rows = [
        f"| {arm} | {kind} | {len(part[0].cases)} | {accuracy(_pooled(part)).value:.3f} "
        f"| {_beyond(part, _only(group.get('think'), kind)) if arm != 'think' else ''} |"
        for arm, own in group.items()
        for kind in kinds
        if (part := _only(own, kind))
    ]
    return ["| arm | kind | cases | accuracy | beyond think |", "|---|---|---:|---:|---|", *rows, ""]


def _only(results: Sequence[UnitResult] | None, kind: str) -> list[UnitResult]:
    """Return the results with the cases of one kind only."""
    found = []
    for one in results or ():
        kept = [pair for pair in zip(one.cases, one.outcomes, strict=True) if pair[1].group == kind]
        if kept:
            cases, outcomes = zip(*kept, strict=True)
            found.append(replace(one, cases=cases, outcomes=outcomes))
    return found


def _row(arm: str, own: Sequence[UnitResult], group: Group) -> str:
    pooled = _pooled(own)
    share = accuracy(pooled)
    cells = [
        arm,
        str(len(own)),
        f"{share.value:.3f}",
        f"{share.low:.3f} to {share.high:.3f}",
        _beyond(own, group.get("lookup")) if arm != "lookup" else "",
        _beyond(own, group.get("think")) if arm not in ("lookup", "think") else "",
        f"{harm(pooled):.3f}",
        f"{_mean(own, 'search', 'tokens'):,.0f}",
        f"{_mean(own, 'search', 'answers'):,.0f}",
        f"{_mean(own, 'search', 'model_cpu_s') + _mean(own, 'search', 'client_cpu_s'):,.0f}",
        f"{_an_answer(own, 'tokens'):,.0f}",
        f"{_an_answer(own, 'model_cpu_s'):,.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _beyond(own: Sequence[UnitResult], other: Sequence[UnitResult] | None) -> str:
    """Return the gain in points on the cases that both answered; an arm without chance is compared with each seed."""
    if not other:
        return "not run"
    seeds = {one.unit.seed: one for one in other}
    pairs = [pair for one in own for pair in _paired(one, seeds.get(one.unit.seed, other[0]))]
    if not pairs:
        return "no common cases"
    found: Interval = gain([ours for ours, _ in pairs], [theirs for _, theirs in pairs])
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _paired(one: UnitResult, two: UnitResult) -> list[tuple[Outcome, Outcome]]:
    known = dict(zip(two.cases, two.outcomes, strict=True))
    return [(found, known[case]) for case, found in zip(one.cases, one.outcomes, strict=True) if case in known]


def _pooled(own: Sequence[UnitResult]) -> list[Outcome]:
    return [outcome for one in own for outcome in one.outcomes]


def _mean(own: Sequence[UnitResult], part: str, key: str) -> float:
    values = [float(str((one.search if part == "search" else one.judging).get(key, 0))) for one in own]
    return sum(values) / len(values)


def _an_answer(own: Sequence[UnitResult], key: str) -> float:
    return _mean(own, "judging", key) / max(1.0, _mean(own, "judging", "answers"))


def _notes(group: Group) -> list[str]:
    return [f"- {arm}, seed {one.unit.seed}: {one.note}" for arm, own in group.items() for one in own if one.note]
