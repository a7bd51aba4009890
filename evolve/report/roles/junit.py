"""A verification of roles as JUnit XML: a testsuite per role and release, a testcase per check."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.report.roles.matrix import RoleMatrix, RoleRow, by_interest, first_line, rows
from evolve.report.short_text import cut
from evolve.system.atomic_files import output_file

EVIDENCE_LIMIT = 20_000
"""Characters of one piece of evidence; CI systems refuse files that are too long."""

# Characters that XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TAGS: Mapping[CheckOutcome, str] = {
    CheckOutcome.FAILED: "failure",
    CheckOutcome.ERROR: "error",
    CheckOutcome.NOT_CHECKED: "skipped",
    CheckOutcome.UNCHANGED: "skipped",
}


def write_roles_junit(path: str, verification: RoleMatrix) -> None:
    """Write one testsuite for each role and release.

    Raises:
        InputError: the file cannot be written.
    """
    with output_file(path) as file:
        file.write(roles_junit_text(verification))


def roles_junit_text(verification: RoleMatrix) -> str:
    """Return the document as text."""
    table = rows(verification.results)
    head = {"name": "roles", **_counts(cell for row in table for cell in row.cells.values())}
    root = _element("testsuites", {**head, "time": f"{max(verification.seconds, 0):.3f}"})
    stamp = datetime.fromtimestamp(verification.started_s, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    root.extend(_suite(row, stamp) for row in table)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(row: RoleRow, stamp: str) -> ElementTree.Element:
    cells = [row.cells[check] for check in Check if check in row.cells]
    skipped = sum(_TAGS.get(cell.outcome) == "skipped" for cell in cells)
    numbers = {**_counts(iter(cells)), "skipped": str(skipped), "time": f"{max(row.seconds, 0):.3f}"}
    suite = _element("testsuite", {"name": row.name, **numbers, "timestamp": stamp})
    suite.extend(map(_case, cells))
    return suite


def _case(cell: CheckResult) -> ElementTree.Element:
    where = {"name": str(cell.check), "classname": f"roles.{cell.role}.{cell.release}"}
    case = _element("testcase", {**where, "time": f"{max(cell.seconds, 0):.3f}"})
    properties = _element("properties", {})
    properties.append(_element("property", {"name": "outcome", "value": str(cell.outcome)}))
    properties.extend(_element("property", {"name": "note", "value": note}) for note in cell.notes)
    case.append(properties)
    tag = _TAGS.get(cell.outcome)
    if tag:
        message = first_line(cell.reason) or str(cell.outcome)
        case.append(_element(tag, {"message": message, "type": str(cell.outcome)}, "\n".join(_details(cell))))
    return case


def _details(cell: CheckResult) -> Iterator[str]:
    """Reason, tasks that failed or changed, and evidence: the text that CI systems show."""
    yield cell.reason or str(cell.outcome)
    if cell.outcome not in (CheckOutcome.FAILED, CheckOutcome.ERROR):
        return
    marked, _ = by_interest(cell.tasks)
    yield from (f"{task.status}: {task}" for task in marked)
    for title, text in cell.evidence.items():
        yield f"--- {title}\n{cut(text, EVIDENCE_LIMIT)}"


def _counts(cells: Iterator[CheckResult]) -> dict[str, str]:
    outcomes = [cell.outcome for cell in cells]
    failures, errors = outcomes.count(CheckOutcome.FAILED), outcomes.count(CheckOutcome.ERROR)
    return {"tests": str(len(outcomes)), "failures": str(failures), "errors": str(errors)}


def _element(name: str, attributes: Mapping[str, str], text: str = "") -> ElementTree.Element:
    element = ElementTree.Element(name, {key: _clean(value) for key, value in attributes.items()})
    element.text = _clean(text) or None
    return element


def _clean(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"#x{ord(match[0]):X}", text)
