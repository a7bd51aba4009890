"""A table in the format of promptfoo's CSV: a row for each test, eight or more columns for each prompt and provider."""

import csv
import re
from collections.abc import Sequence

from evolve.core.javascript.values import to_fixed, to_js_string, to_json
from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.report.suites.run_row import run_properties
from evolve.system.atomic_files import output_file

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet runs as a formula (OWASP, "CSV Injection"); the last four are full-width."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_STATUS = {"pass": "PASS", "fail": "FAIL", "error": "ERROR"}


def write_csv(path: str, run: RunFinished, *, raw: bool = False) -> None:
    """Write one table per suite, one below the other; most runs have one. The last columns name the run.

    Args:
        path: the file.
        run: the results.
        raw: write each text as it is. Without it an apostrophe precedes what a spreadsheet would run as a formula.
    """
    shown = _unchanged if raw else inert_cell
    facts = run_properties(run)
    with output_file(path, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        # Python before 3.13 leaves a carriage return without quotes, and readers then see two rows.
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for number, (_, results) in enumerate(run.results):
            if number:
                writer.writerow([])
            head, *rows = table(results)
            for row in ([*head, *facts], *([*row, *facts.values()] for row in rows)):
                cells = [shown(cell) for cell in row]
                (quoting if any("\r" in cell for cell in cells) else writer).writerow(cells)


def inert_cell(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet would run it; numbers stay numbers."""
    # White space before the sign does not stop every spreadsheet.
    is_formula = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if is_formula and not _NUMBER.fullmatch(text) else text


def _unchanged(text: str) -> str:
    return text


def table(results: Sequence[CaseResult]) -> list[list[str]]:
    """Return the header and the rows of one suite."""
    names = list(dict.fromkeys(name for result in results for name in result.vars))
    columns = {result.evaluation.prompt_index: result.evaluation for result in reversed(results)}
    metrics = sorted({name for result in results for name in result.named_scores})
    header = ["Description", *names]
    for index in sorted(columns):
        evaluation = columns[index]
        header.append(f"[{evaluation.provider.name}] {evaluation.prompt.label}")
        header += [
            "Status",
            "Score",
            "Named Scores",
            *(f"Metric: {name}" for name in metrics),
            "Grader Reason",
            "Comment",
        ]
    rows: dict[int, dict[int, CaseResult]] = {}
    for result in results:
        rows.setdefault(result.evaluation.test_index, {})[result.evaluation.prompt_index] = result
    return [header, *(_row(cells, names, sorted(columns), metrics) for _, cells in sorted(rows.items()))]


def _row(
    cells: dict[int, CaseResult], names: Sequence[str], columns: Sequence[int], metrics: Sequence[str]
) -> list[str]:
    sample = next(iter(cells.values()))
    row = [sample.evaluation.test.description, *(_text(sample.vars.get(name, "")) for name in names)]
    for index in columns:
        row += _cell(cells[index], metrics) if index in cells else [""] * (6 + len(metrics))
    return row


def _cell(result: CaseResult, metrics: Sequence[str]) -> list[str]:
    scores = result.named_scores
    text = _text(result.output) if result.answer is not None else result.error
    return [
        text,
        _STATUS[result.status],
        to_fixed(result.verdict.score, 2),
        to_json(dict(scores)),
        *(to_fixed(scores[name], 2) if name in scores else "" for name in metrics),
        result.verdict.reason or result.error,
        "",
    ]


def _text(value: JsonValue) -> str:
    if isinstance(value, dict | list):
        return to_json(value)
    return "" if value is None else to_js_string(value)
