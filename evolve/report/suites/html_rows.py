"""A run's results as compact data for the HTML report's script.

Rows are lists in the order of `COLUMNS`; texts are stored once in a table, and rows refer to them by number; the
beginning that all rendered prompts of a column share is stored once. Failures come first, so that their texts are cut
last.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Suite
from evolve.core.model.verdicts import Verdict
from evolve.report.short_text import shown_path, to_text
from evolve.report.suites.html_numbers import column_names, metadata_text
from evolve.report.suites.matrix import row_title
from evolve.report.suites.text import assertion_name
from evolve.report.text_table import TEXT_LIMIT, Texts

COLUMNS: Final = (
    *("anchor", "status", "score", "suite", "provider", "prompt_label", "order", "latency_ms", "tokens", "cost"),
    *("cached", "prompt", "output", "vars", "assertions", "reason", "error", "error_kind", "metadata", "description"),
    *("named_scores", "test", "title", "stop_reason", "column"),
)

_STATUS: Final = {"error": 0, "fail": 1, "pass": 2}


def report_data(run: RunFinished) -> dict[str, JsonValue]:
    """Return `columns, texts, rows, suites`: what the script needs; numbers in place of text refer to `texts`."""
    texts = Texts()
    beginnings = _beginnings(run)
    anchors = _Anchors()
    names = column_names(run)
    listed = [(at, suite, result) for at, (suite, results) in enumerate(run.results) for result in results]
    ordered = sorted(enumerate(listed), key=lambda item: (_STATUS[item[1][2].status], item[0]))
    rows: list[JsonValue] = [
        [
            *_row(texts, anchors, beginnings[_column(suite, result)], suite_index, order, result),
            texts.number(names[suite_index, result.evaluation.prompt_index]),
        ]
        for order, (suite_index, suite, result) in ordered
    ]
    suites: list[JsonValue] = [shown_path(suite.path) for suite, _ in run.results]
    return {"columns": list(COLUMNS), "suites": suites, "rows": rows, "texts": texts.all}


def _column(suite: Suite, result: CaseResult) -> tuple[int, int]:
    return id(suite), result.evaluation.prompt_index


def _beginnings(run: RunFinished) -> dict[tuple[int, int], str]:
    """The beginning that all rendered prompts of each column share; empty where it would save nothing."""
    prompts: dict[tuple[int, int], list[str]] = {}
    for suite, results in run.results:
        for result in results:
            prompts.setdefault(_column(suite, result), []).append(result.prompt)
    return {column: _common_prefix(found) if len(found) > 1 else "" for column, found in prompts.items()}


def _common_prefix(found: list[str]) -> str:
    # A prefix that the first and the last in sorted order share is shared by all.
    first, last = min(found), max(found)
    length = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


class _Anchors:
    """A name for each row that links can use: its id, numbered where two suites share one."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def name(self, result: CaseResult) -> str:
        # Half of a surrogate pair cannot be part of a link.
        wanted = result.evaluation.id.encode("utf-8", "replace").decode()
        count = self._seen[wanted] = self._seen.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}~{count}"


def _row(
    texts: Texts, anchors: _Anchors, beginning: str, suite: int, order: int, result: CaseResult
) -> list[JsonValue]:
    evaluation, answer, verdict = result.evaluation, result.answer, result.verdict
    usage = answer.tokens if answer else None
    return [
        anchors.name(result),
        _STATUS[result.status],
        _round(verdict.score),
        suite,
        texts.number(evaluation.provider.name),
        texts.number(evaluation.prompt.label),
        order,
        round(result.latency_ms, 1),
        [usage.prompt, usage.completion, usage.cached, usage.total] if usage and usage.total else 0,
        answer.cost if answer else None,
        1 if answer and answer.cached else 0,
        _prompt(texts, beginning, result.prompt),
        texts.number(to_text(result.output)) if answer else -1,
        _pairs(texts, result.vars),
        [_assertion(texts, *item) for item in _leaves(verdict.components, 0)],
        texts.number(verdict.reason),
        texts.number(result.error),
        texts.number(result.error_kind),
        _pairs(texts, evaluation.test.metadata),
        texts.number(evaluation.test.description),
        {name: _round(score) for name, score in result.named_scores.items()},
        evaluation.test_index,
        texts.number(row_title(evaluation)),
        texts.number((answer.finish_reason or "") if answer else ""),
    ]


def _prompt(texts: Texts, beginning: str, prompt: str) -> list[JsonValue]:
    # A shared beginning over the limit of a text is not used: its middle would be cut out of every row. One of
    # fewer than 20 characters saves less than its number costs.
    if len(beginning) < 20 or len(beginning) > TEXT_LIMIT:
        return [texts.number(prompt)]
    return [texts.number(beginning), texts.number(prompt[len(beginning) :])]


def _pairs(texts: Texts, values: Mapping[str, JsonValue]) -> list[JsonValue]:
    flat: list[JsonValue] = []
    for name, value in values.items():
        flat += (texts.number(str(name)), texts.number(metadata_text(value)))
    return flat


def _leaves(verdicts: Iterable[Verdict], depth: int) -> Iterator[tuple[Verdict, int]]:
    for verdict in verdicts:
        yield verdict, depth
        yield from _leaves(verdict.components, depth + 1)


def _assertion(texts: Texts, verdict: Verdict, depth: int) -> list[JsonValue]:
    """Status, type, metric, expected value, reason, score, weight, threshold, depth."""
    requirement = verdict.requirement
    value = requirement.value if isinstance(requirement, Assertion) else None
    status = "error" if verdict.error else "pass" if verdict.passed else "fail"
    return [
        _STATUS[status],
        texts.number(assertion_name(verdict)),
        texts.number((requirement.metric or "") if requirement else ""),
        -1 if value is None else texts.number(to_text(value)),
        texts.number(verdict.error or verdict.reason),
        _round(verdict.score),
        requirement.weight if isinstance(requirement, Assertion | AssertSet) else 1,
        requirement.threshold if requirement else None,
        depth,
    ]


def _round(score: float) -> JsonValue:
    """The score; null for infinities and not-a-number, which JSON does not have."""
    # Four digits: the page shows three, and a large report has a score in every row.
    return round(score, 4) if math.isfinite(score) else None
