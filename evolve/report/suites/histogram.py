"""How the scores of a run are distributed: one histogram of all, and one for each provider and prompt."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.text.counts import count
from evolve.report.suites.html_numbers import by_column

BINS: Final = 10
_MOST_COLUMNS: Final = 6
"""With more columns, a picture for each would push the results off the page."""
_HEIGHT: Final = 60
_WIDTH: Final = 100 / BINS


class BarPart(NamedTuple):
    """A rectangle of a bar, in units of the picture."""

    state: str
    x: str
    y: str
    width: str
    height: str


class Bar(NamedTuple):
    """One range of scores."""

    label: str
    """Range and numbers in words."""
    parts: tuple[BarPart, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """The scores of some results; errors have none."""

    name: str
    label: str
    """What the picture shows, for those who do not see it."""
    note: str
    bars: tuple[Bar, ...]


def histograms(run: RunFinished) -> list[Histogram]:
    """Return the histogram of all results, and those of up to six columns; none if nothing has a score."""
    columns = by_column(run)
    everything = _histogram("All results", (result for results in columns.values() for result in results))
    if everything is None:
        return []
    several = columns if 1 < len(columns) <= _MOST_COLUMNS else {}
    parts = (_histogram(name, results) for name, results in several.items())
    return [everything, *(part for part in parts if part is not None)]


def bin_of(score: float) -> int:
    """Return the number of a score's bar; the last one includes 1, and scores outside of 0..1 are in the outer ones."""
    # Scores are sums of weights: 0.7 may be 0.6999999999999999.
    return max(0, min(BINS - 1, math.floor(score * BINS + 1e-9)))


def _histogram(name: str, results: Iterable[CaseResult]) -> Histogram | None:
    passed, failed, errors = [0] * BINS, [0] * BINS, 0
    for result in results:
        if result.status == "error" or not math.isfinite(result.verdict.score):
            errors += 1
        else:
            (passed if result.status == "pass" else failed)[bin_of(result.verdict.score)] += 1
    highest = max(p + f for p, f in zip(passed, failed, strict=True))
    if not highest:
        return None
    bars = tuple(_bar(at, passed[at], failed[at], highest) for at in range(BINS))
    total = sum(passed) + sum(failed)
    note = count(total, "score") + (f", {count(errors, 'result')} without one" if errors else "")
    label = "; ".join(bar.label for bar in bars if bar.parts)
    return Histogram(name, f"Scores of {name}: {label}", note, bars)


def _bar(at: int, passed: int, failed: int, highest: int) -> Bar:
    parts, y = [], float(_HEIGHT)
    for state, number in (("pass", passed), ("fail", failed)):
        height = _HEIGHT * number / highest
        if number:
            y -= height
            place = (at * _WIDTH + 0.5, y, _WIDTH - 1, height)
            parts.append(BarPart(state, *(f"{value:.2f}" for value in place)))
    words = [f"{passed:,} passed"] * (passed > 0) + [f"{failed:,} failed"] * (failed > 0)
    return Bar(f"{at / BINS:g} to {(at + 1) / BINS:g}: {', '.join(words) or 'none'}", tuple(parts))
