"""The result file of promptfoo (version 3), written row by row."""

import platform
from collections.abc import Mapping
from typing import TextIO

from evolve import __version__
from evolve.core.evaluation.derived_metrics import with_derived
from evolve.core.evaluation.scoring import column_metrics
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import CaseResult, PromptMetrics, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Suite
from evolve.report.suites.promptfoo_rows import Row, Rows, dump_row, token_usage
from evolve.report.suites.run_row import iso_date, run_document
from evolve.system.atomic_files import output_file


def write_promptfoo_json(path: str, run: RunFinished) -> None:
    """Write all suites of a run into one file; test and prompt indices continue from suite to suite."""
    with output_file(path) as file:
        _write(file, run)


def _write(file: TextIO, run: RunFinished) -> None:
    stamp = iso_date(run.started_s)
    file.write(f'{{"evalId":{dump_row(_eval_id(run))},"results":{{"version":3,"timestamp":"{stamp}",\n"results":[')
    prompts: list[JsonValue] = []
    names: dict[str, None] = {}
    first_test, separator = 0, "\n"
    for suite, results in run.results:
        rows = Rows(suite.path, first_test, len(prompts))
        for result in results:
            names.update(dict.fromkeys(result.vars))
            file.write(separator + dump_row(rows.row(result)))
            separator = ",\n"
        first_test += 1 + max((result.evaluation.test_index for result in results), default=-1)
        prompts.extend(_columns(suite, results, rows))
    file.write('\n],\n"prompts":' + dump_row(prompts))
    file.write(',\n"stats":' + dump_row(_stats(run)) + "},\n")
    rest: Row = {
        "config": _config(run),
        "shareableUrl": None,
        "metadata": {
            "annealVersion": __version__,
            "platform": platform.system().lower(),
            "arch": platform.machine(),
            "exportedAt": stamp,
            "evaluationCreatedAt": stamp,
            **({"interrupted": True} if run.interrupted else {}),
            **({"run": run_document(run)} if run.identity else {}),
        },
        "vars": list(names),
    }
    file.write(",\n".join(f"{dump_row(key)}:{dump_row(value)}" for key, value in rest.items()) + "}\n")


def _eval_id(run: RunFinished) -> str:
    return f"eval-anneal-{run.identity.id if run.identity else iso_date(run.started_s).partition('.')[0]}"


def _config(run: RunFinished) -> JsonValue:
    if len(run.results) == 1:
        return run.results[0][0].config
    return {"configs": [suite.config for suite, _ in run.results]}


def _columns(suite: Suite, results: tuple[CaseResult, ...], rows: Rows) -> list[JsonValue]:
    columns = column_metrics(results)
    first = {result.evaluation.prompt_index: result for result in reversed(results)}
    return [_column(suite, metrics, first[index], rows) for index, metrics in columns.items()]


def _column(suite: Suite, metrics: PromptMetrics, sample: CaseResult, rows: Rows) -> JsonValue:
    prompt = next((p for p in suite.prompts if p.label == metrics.prompt_label), sample.evaluation.prompt)
    return {
        "id": rows.prompt_id(prompt.raw),
        "raw": prompt.raw,
        "label": metrics.prompt_label,
        "provider": metrics.provider,
        "metrics": metrics_row(with_derived(metrics, suite.derived_metrics).metrics),
    }


def metrics_row(metrics: PromptMetrics) -> Row:
    """Return a column's metrics under promptfoo's names."""
    return {
        "score": metrics.score,
        "testPassCount": metrics.passed,
        "testFailCount": metrics.failed,
        "testErrorCount": metrics.errors,
        "assertPassCount": metrics.assertions_passed,
        "assertFailCount": metrics.assertions_failed,
        "totalLatencyMs": metrics.latency_ms,
        "tokenUsage": token_usage(metrics.tokens, metrics.grader_tokens),
        "namedScores": dict(metrics.named_scores),
        "namedScoresCount": dict(metrics.named_scores_count),
        "namedScoreWeights": dict(metrics.named_score_weights),
        "cost": metrics.cost,
    }


def _stats(run: RunFinished) -> Row:
    counts: Mapping[str, int] = run_counts(run)
    tokens = graders = TokenUsage()
    for _, results in run.results:
        for result in results:
            if result.answer is not None:
                tokens += result.answer.tokens
            graders += result.verdict.tokens
    return {
        "successes": counts["pass"],
        "failures": counts["fail"],
        "errors": counts["error"],
        "tokenUsage": token_usage(tokens, graders),
        "durationMs": round(run.seconds * 1000),
        "evaluationDurationMs": round(run.seconds * 1000),
    }


def run_counts(run: RunFinished) -> dict[str, int]:
    """Return how many passed, failed, and could not be judged."""
    counts = {"pass": 0, "fail": 0, "error": 0}
    for _, results in run.results:
        for result in results:
            counts[result.status] += 1
    return counts
