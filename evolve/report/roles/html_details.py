"""The part of a verification's page that a cell of the matrix leads to: reason, notes, evidence and tasks."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from urllib.parse import quote

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine
from evolve.core.text.visible import visible
from evolve.report.roles.matrix import NOT_RUN, Row, by_interest
from evolve.report.short_text import cut
from evolve.report.suites.html_rows import shown_path

SHOWN_TASKS = 300
"""Tasks of one check; those that failed or changed something come first, the rest is counted."""
EVIDENCE_LIMIT = 60_000
"""Characters of one piece of evidence."""

KINDS: Mapping[str, tuple[str, str]] = {
    CheckOutcome.PASSED: ("pass", "✓"),
    CheckOutcome.FAILED: ("fail", "✗"),
    CheckOutcome.ERROR: ("error", "!"),
    CheckOutcome.UNCHANGED: ("same", "="),
    CheckOutcome.NOT_CHECKED: ("gap", "?"),
    NOT_RUN: ("gap", "·"),
}
"""Class and mark of each word; the mark says the same without the colour."""

_TASK_KINDS: Mapping[str, str] = {"failed": "fail", "unreachable": "fail", "changed": "error", "ok": "pass"}


def inert(text: str) -> str:
    """Captured text as HTML: no markup, and control characters as escapes."""
    return escape(visible(text))


def state(outcome: str) -> str:
    """An outcome as its mark and its word."""
    kind, mark = KINDS[outcome]
    return f'<span class="state {kind}"><span aria-hidden="true">{mark}</span> {outcome}</span>'


def anchor(result: CheckResult) -> str:
    """The name of a result's place in the page, the same in every verification."""
    return f"{result.role}@{result.release}/{result.check.replace(' ', '-')}"


def link(name: str) -> str:
    """The address of a place in the page."""
    return "#" + quote(visible(name), safe="@/", errors="backslashreplace")


def details(table: Sequence[Row]) -> Iterator[str]:
    """Every check of every role; those that failed are open."""
    for row in table:
        yield f'<h3 id="{inert(row.name)}" tabindex="-1">{inert(row.role)} on {inert(row.release)}</h3>\n'
        yield from (_check(row.cells[check]) for check in Check if check in row.cells)


def _check(cell: CheckResult) -> str:
    is_open = " open" if cell.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR) else ""
    facts = [f"{cell.seconds:.1f} s"] if cell.seconds >= 0.05 else []
    facts += [f"{len(cell.tasks)} task{'' if len(cell.tasks) == 1 else 's'}"] if cell.tasks else []
    summary = f'{state(cell.outcome)} <b>{cell.check}</b> <span class="dim">{", ".join(facts)}</span>'
    body = "".join(_body(cell)) or '<p class="hint">Nothing more is known.</p>'
    return (
        f'<details class="groups check" id="{inert(anchor(cell))}"{is_open}><summary>{summary}</summary>'
        f'<div class="inside">{body}</div></details>\n'
    )


def _body(cell: CheckResult) -> Iterator[str]:
    if cell.reason:
        kind = "fault" if cell.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR) else "lines"
        yield f'<p class="{kind}">{inert(cell.reason)}</p>'
    if cell.notes:
        yield f"<ul>{''.join(f'<li>{inert(note)}</li>' for note in cell.notes)}</ul>"
    yield from (_evidence(title, text) for title, text in cell.evidence.items())
    yield from _tasks(cell)


def _evidence(title: str, text: str) -> str:
    shown = cut(text, EVIDENCE_LIMIT)
    return f"<h4>{inert(title)}</h4>{_pre(title, _patch(shown) if _is_patch(shown) else inert(shown))}"


def _pre(label: str, content: str) -> str:
    # Long texts scroll in their own box, which then must be reachable by keyboard.
    return f'<pre tabindex="0" role="group" aria-label="{inert(label)}">{content or "(empty)"}</pre>'


def _is_patch(text: str) -> bool:
    return any(line.startswith(("@@ ", "--- ", "+++ ")) for line in text.splitlines()[:12])


def _patch(text: str) -> str:
    return "\n".join(map(_patch_line, text.splitlines()))


def _patch_line(line: str) -> str:
    name = {"+": "ins", "-": "del"}.get(line[:1])
    return f"<{name}>{inert(line)}</{name}>" if name else inert(line)


# --- tasks


def _tasks(cell: CheckResult) -> Iterator[str]:
    marked, others = by_interest(cell.tasks)
    shown, rest = marked[:SHOWN_TASKS], others[: max(0, SHOWN_TASKS - len(marked))]
    with_diffs = cell.outcome is not CheckOutcome.PASSED
    if shown:
        yield f"<h4>{len(marked)} task{'' if len(marked) == 1 else 's'} changed something or failed</h4>"
        yield _task_table(f"Changed or failed in {cell.check}", shown, with_diffs=with_diffs)
    if rest:
        yield f'<details class="more"><summary>{len(others)} further tasks</summary>'
        yield f"{_task_table(f'Further tasks of {cell.check}', rest, with_diffs=with_diffs)}</details>"
    left_out = len(cell.tasks) - len(shown) - len(rest)
    if left_out:
        yield f'<p class="hint">{left_out:,} more tasks are not shown.</p>'


def _task_table(title: str, tasks: Sequence[TaskLine], *, with_diffs: bool) -> str:
    body = "".join(_task(task, with_diffs=with_diffs) for task in tasks)
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Result", "Task", "Where", "Host", "Seconds"))
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{inert(title)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _task(task: TaskLine, *, with_diffs: bool) -> str:
    name = f"{task.role}: {task.task}" if task.role else task.task
    parts = [inert(name), '<span class="tag">handler</span>' if task.is_handler else ""]
    parts.append(f"<small>items: {inert(', '.join(task.items))}</small>" if task.items else "")
    parts.append(f'<p class="lines">{inert(task.message)}</p>' if task.message else "")
    if task.diff and with_diffs:
        parts.append(
            f"<details><summary>What changed</summary>{_pre(f'Change by {name}', _patch(task.diff))}</details>"
        )
    where = f"{shown_path(task.path)}:{task.line}" if task.line else shown_path(task.path)
    return (
        f'<tr><td class="state {_TASK_KINDS.get(task.status, "gap")}">{inert(task.status)}</td>'
        f'<th scope="row">{"".join(parts)}</th><td class="mono">{inert(where)}</td>'
        f'<td>{inert(task.host)}</td><td class="num">{task.seconds:.2f}</td></tr>'
    )
