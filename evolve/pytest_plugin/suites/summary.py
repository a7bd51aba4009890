"""The summary of suites at the end of a pytest run, from the reports of all workers."""

from collections.abc import Iterable

CUT = "cut_answer"
"""The property of an item whose answer was cut at the token limit: the setting, and how to raise it."""


def cut_answers_line(reports: Iterable[object]) -> str:
    """Return one sentence about the suites' answers that were cut; empty if none was."""
    asked: set[str] = set()
    cut: dict[str, str] = {}
    for report in reports:
        properties = dict(getattr(report, "user_properties", ()))
        node: str = getattr(report, "nodeid", "")
        if "score" in properties:
            asked.add(node)
        if CUT in properties:
            cut[node] = str(properties[CUT])
    if not cut:
        return ""
    from evolve.core.evaluation.cut_answers import sentence  # a run without suites must not load it

    limit, _, hint = next(iter(cut.values())).rpartition(": ")
    return sentence(len(cut), len(asked), limit, hint)
