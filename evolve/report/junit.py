"""JUnit XML: a testsuite per file, a testcase per evaluation with the properties `score` and `reason`."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import XMLGenerator

from evolve.core.events import CaseResult, RunFinished
from evolve.core.js_values import number_text
from evolve.core.suite import Suite
from evolve.report.output_file import output_file
from evolve.report.text import failure_text

# Characters that XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: str, run: RunFinished) -> None:
    """Writes one testsuite for each suite of the run."""
    with output_file(path) as file:
        xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
        xml.startDocument()
        everything = [result for _, results in run.results for result in results]
        xml.startElement("testsuites", {"name": "anneal", **_counts(everything), "time": f"{run.seconds:.3f}"})
        stamp = datetime.fromtimestamp(run.started_s, UTC).isoformat(timespec="seconds").replace("+00:00", "")
        for suite, results in run.results:
            _write_suite(xml, suite, results, stamp)
        xml.endElement("testsuites")
        file.write("\n")


def _write_suite(xml: XMLGenerator, suite: Suite, results: Sequence[CaseResult], stamp: str) -> None:
    seconds = sum(result.latency_ms for result in results) / 1000
    name = os.path.relpath(suite.path)
    attributes = {"name": name, **_counts(results), "skipped": "0", "time": f"{seconds:.3f}", "timestamp": stamp}
    xml.characters("\n")
    xml.startElement("testsuite", {name: _clean(value) for name, value in attributes.items()})
    for result in results:
        _write_case(xml, suite, result)
    xml.characters("\n")
    xml.endElement("testsuite")


def _write_case(xml: XMLGenerator, suite: Suite, result: CaseResult) -> None:
    name = result.evaluation.id
    seconds = f"{result.latency_ms / 1000:.3f}"
    xml.characters("\n")
    xml.startElement("testcase", {"name": _clean(name), "classname": _clean(_classname(os.path.relpath(suite.path))), "time": seconds})
    xml.startElement("properties", {})
    reason = result.error or result.verdict.reason
    for key, value in (("score", number_text(result.verdict.score)), ("reason", _clean(reason))):
        xml.startElement("property", {"name": key, "value": value})
        xml.endElement("property")
    xml.endElement("properties")
    if result.status != "pass":
        tag = "failure" if result.status == "fail" else "error"
        kind = "assertion" if result.status == "fail" else result.error_kind or "evaluation"
        xml.startElement(tag, {"message": _clean(reason.split("\n", 1)[0]), "type": kind})
        xml.characters(_clean(failure_text(result)))
        xml.endElement(tag)
    xml.endElement("testcase")


def _classname(path: str) -> str:
    return path.removesuffix(".yaml").removesuffix(".yml").replace("/", ".").strip(".")


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    statuses = [result.status for result in results]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count("fail")),
        "errors": str(statuses.count("error")),
    }


def _clean(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"#x{ord(match[0]):X}", text)
