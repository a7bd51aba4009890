"""JUnit XML: a testsuite per file, a testcase per evaluation with its place in the file, its score and its reason."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from evolve.core.javascript.values import number_text
from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.suite import Suite
from evolve.report.short_text import shown_path
from evolve.report.suites.run_row import run_properties
from evolve.report.suites.text import failure_text
from evolve.system.atomic_files import output_file

# Characters that XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: str, run: RunFinished) -> None:
    """Write one testsuite for each suite of the run."""
    with output_file(path) as file:
        everything = [result for _, results in run.results for result in results]
        head = {"name": "anneal", **_counts(everything), "time": f"{run.seconds:.3f}"}
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites{_attributes(head)}>\n')
        stamp = datetime.fromtimestamp(run.started_s, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
        facts = _properties(run_properties(run))
        for suite, results in run.results:
            file.writelines(_suite(suite, results, stamp, facts))
        file.write("</testsuites>\n")


def _suite(suite: Suite, results: Sequence[CaseResult], stamp: str, facts: str) -> Iterator[str]:
    name = os.path.relpath(suite.path)
    seconds = sum(result.latency_ms for result in results) / 1000
    attributes = {"name": name, **_counts(results), "skipped": "0", "time": f"{seconds:.3f}", "timestamp": stamp}
    yield f"<testsuite{_attributes(attributes)}>\n{facts}"
    class_name = name.removesuffix(".yaml").removesuffix(".yml").replace("/", ".").strip(".")
    for result in results:
        yield from _case(result, class_name)
    yield "</testsuite>\n"


def _case(result: CaseResult, class_name: str) -> Iterator[str]:
    attributes = {"name": result.evaluation.id, "classname": class_name, "time": f"{result.latency_ms / 1000:.3f}"}
    yield f"<testcase{_attributes({**attributes, **_place(result)})}>"
    reason = result.error or result.verdict.reason
    yield _properties({"score": number_text(result.verdict.score), "reason": reason})
    if result.status != "pass":
        tag = "failure" if result.status == "fail" else "error"
        kind = "assertion" if result.status == "fail" else result.error_kind or "evaluation"
        head = {"message": reason.split("\n", 1)[0], "type": kind}
        yield f"<{tag}{_attributes(head)}>{escape(_clean(failure_text(result)))}</{tag}>"
    yield "</testcase>\n"


def _place(result: CaseResult) -> dict[str, str]:
    """Where the test is in its file, as far as that is known."""
    place = result.evaluation.test.place
    where = place.location() if place is not None else None
    if where is None:
        return {}
    return {"file": shown_path(where.file), **({"line": str(where.line)} if where.line else {})}


def _properties(values: Mapping[str, str]) -> str:
    lines = (f"<property{_attributes({'name': key, 'value': value})}/>" for key, value in values.items())
    return f"<properties>{''.join(lines)}</properties>" if values else ""


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    statuses = [result.status for result in results]
    failures, errors = statuses.count("fail"), statuses.count("error")
    return {"tests": str(len(statuses)), "failures": str(failures), "errors": str(errors)}


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in values.items())


def _clean(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"#x{ord(match[0]):X}", text)
