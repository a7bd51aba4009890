"""A lint's findings as text, JSON and SARIF."""

import json
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import quote

from evolve import __version__
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.role_lint.exemptions import META_RULES
from evolve.role_lint.linting import LintReport
from evolve.role_lint.rule import LintFinding

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(report: LintReport) -> Iterator[str]:
    """Yield two lines for each finding, and a summary."""
    for finding in report.findings:
        yield visible(str(finding))
        yield f"    {visible(finding.fix)}"
    findings = count(len(report.findings), "finding") if report.findings else "no finding"
    seen = count(report.roles, "role")
    books = f", {count(report.playbooks, 'playbook')}" if report.playbooks else ""
    yield f"{findings} in {seen}{books}, {count(report.tasks, 'task')} ({count(len(report.rules), 'rule')})"


def as_json(report: LintReport) -> str:
    """Return a JSON mapping with `findings` and the counts."""
    data = {
        "findings": [_json(finding) for finding in report.findings],
        "roles": report.roles,
        "playbooks": report.playbooks,
        "tasks": report.tasks,
        "rules": [rule.id for rule in report.rules],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _json(finding: LintFinding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "path": finding.spot.path,
        "line": finding.spot.line,
        "column": finding.spot.column,
        "message": finding.message,
        "fix": finding.fix,
    }


def as_sarif(report: LintReport) -> str:
    """Return SARIF 2.1.0, which code hosts and editors read."""
    driver = {"name": "evolve lint-roles", "version": __version__, "rules": _sarif_rules(report)}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": _sarif_results(report)}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_rules(report: LintReport) -> list[dict[str, object]]:
    texts = [(rule.id, rule.what, rule.why, rule.fix) for rule in report.rules]
    texts += [
        (id, what, "nobody can judge later whether the exemption is still right", "") for id, what in META_RULES.items()
    ]
    return [
        {
            "id": id,
            "shortDescription": {"text": what},
            "fullDescription": {"text": why},
            "help": {"text": fix or what},
            "defaultConfiguration": {"level": "warning"},
        }
        for id, what, why, fix in texts
    ]


def _sarif_results(report: LintReport) -> list[dict[str, object]]:
    return [
        {
            "ruleId": finding.rule,
            "level": "warning",
            "message": {"text": f"{finding.message}. Fix: {finding.fix}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(finding.spot.path)},
                        "region": {"startLine": finding.spot.line, "startColumn": finding.spot.column},
                    }
                }
            ],
        }
        for finding in report.findings
    ]


def _uri(path: str) -> str:
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())
