"""The results of `evolve_embedded.py`: kept in a JSON file method by method, and printed as Markdown tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evolve_splits import Interval, Outcome, accuracy, gain, harm

from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue

_OURS, _OPTIMIZERS = "anneal", ("gepa", "dspy", "dspy-chat")
_LEAST, _OVER_ANCESTOR, _OVER_OPTIMIZERS = 0.55, 0.30, 0.25


@dataclass(frozen=True, slots=True)
class Result:
    """What one method reached, and what it spent."""

    outcomes: tuple[Outcome, ...]
    """One for each held-out case, in the suite's order."""
    answers: int
    """Bought by search (and gate)."""
    reflections: int
    """Calls that wrote prompts."""
    tokens: TokenUsage
    """Of both."""
    busy_s: float
    """Seconds in which the model worked for it."""
    seconds: float
    """From the start of the search to its last answer; the held-out cases are not in it."""
    text: str
    """The prompt that it found."""
    note: str
    date: str


def save(path: Path, about: Mapping[str, JsonValue], results: Mapping[str, Result]) -> None:
    """Writes the file, all at once."""
    data = {"about": dict(about), "methods": {name: asdict(result) for name, result in results.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def load(path: Path, about: Mapping[str, JsonValue]) -> dict[str, Result]:
    """The results that the file holds; none when there is no file.

    Raises:
        InputError: they were measured on other cases, or with another budget, seed or model.
    """
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    differing = [key for key, value in about.items() if data["about"].get(key) != value]
    if differing:
        problem = f"{path} holds results with another {', '.join(differing)}"
        raise InputError(Problem(problem, None, "name another file with --json, or remove this one"))
    return {name: _result(entry) for name, entry in data["methods"].items()}


def table(results: Mapping[str, Result]) -> str:
    """Each method's accuracy, harm and costs."""
    head = "| method | accuracy | 95 % | harm | answers | reflections | tokens | of them cached | busy s | seconds |"
    lines = [head, "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|"]
    return "\n".join([*lines, *(_row(name, result) for name, result in results.items())])


def targets(results: Mapping[str, Result]) -> str:
    """What our engine was to reach, for those methods that have been measured; empty without ours."""
    if _OURS not in results:
        return ""
    ours = results[_OURS].outcomes
    rows = [_target("accuracy", accuracy(ours), _LEAST)]
    if "ancestor" in results:
        rows.append(_target("over the ancestor", gain(ours, results["ancestor"].outcomes), _OVER_ANCESTOR))
    others = {name: results[name] for name in _OPTIMIZERS if name in results}
    if others:
        best = max(others, key=lambda name: accuracy(others[name].outcomes).value)
        rows.append(
            _target(
                f"over {best}, the best of {', '.join(others)}", gain(ours, others[best].outcomes), _OVER_OPTIMIZERS
            )
        )
    return "\n".join(["| anneal | measured | 95 % | target | |", "|---|---:|---|---:|---|", *rows])


def notes(results: Mapping[str, Result]) -> str:
    """What each method said of its own search."""
    return "\n".join(f"- {name} ({result.date}): {result.note}" for name, result in results.items() if result.note)


def _row(name: str, result: Result) -> str:
    share, cost = accuracy(result.outcomes), result.tokens
    cells = [
        name,
        f"{share.value:.3f}",
        _range(share),
        f"{harm(result.outcomes):.3f}",
        f"{result.answers:,}",
        f"{result.reflections:,}",
        f"{cost.total:,}",
        f"{cost.cached / cost.prompt:.0%}" if cost.prompt else "-",
        f"{result.busy_s:.0f}",
        f"{result.seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _target(what: str, measured: Interval, least: float) -> str:
    word = "met" if measured.value >= least else "MISSED"
    return f"| {what} | {measured.value:.3f} | {_range(measured)} | {least:g} | {word} |"


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _result(entry: Mapping[str, JsonValue]) -> Result:
    outcomes, tokens = entry["outcomes"], entry["tokens"]
    assert isinstance(outcomes, list)
    assert isinstance(tokens, dict)
    read: Sequence[Outcome] = [Outcome(**outcome) for outcome in outcomes]  # type: ignore[arg-type]  # our own file
    rest = {key: value for key, value in entry.items() if key not in ("outcomes", "tokens")}
    return Result(tuple(read), tokens=TokenUsage(**tokens), **rest)  # type: ignore[arg-type]  # our own file
