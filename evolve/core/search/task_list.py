"""Tasks out of suites and failure cases."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.labels import answer_key
from evolve.core.json_value import JsonValue
from evolve.core.search.splits import split_named, split_of_family
from evolve.core.search.tasks import Task
from evolve.core.suite import Evaluation, Test


class CaseWithTest(NamedTuple):
    """A failure case, the test that its file loads as, and the file."""

    case: FailureCase
    test: Test
    file: str


def suite_tasks(evaluations: Iterable[Evaluation], output: Mapping[str, JsonValue], file: str) -> list[Task]:
    """One task for each test of a suite, with its own split or, without one, its family's.

    Args:
        output: the agent's output schema: `accepted: [restart]` means `{"action": "restart"}` where that is its one
            closed property.
    """
    by_test = {evaluation.test_index: evaluation for evaluation in reversed(list(evaluations))}
    return [_suite_task(by_test[index], output, file) for index in sorted(by_test)]


def case_tasks(cases: Iterable[CaseWithTest], output: Mapping[str, JsonValue]) -> list[Task]:
    """One task for each failure case that somebody has labelled and that is open or pinned."""
    usable = [item for item in cases if item.case.is_labelled and item.case.status in ("open", "pinned")]
    return [_case_task(item, output) for item in usable]


def merged(suite: Sequence[Task], cases: Sequence[Task]) -> tuple[Task, ...]:
    """Suite and failure cases together; a failure case of a test of the suite stands in for it.

    A failure case whose family is val's or gate's in the suite is left out: it would show the search what it must not
    see.
    """
    held_out = {task.family for task in suite if task.split != "train"}
    kept = {task.id: task for task in suite}
    for task in cases:
        if task.family in held_out:
            continue
        known = kept.get(task.id)
        kept[task.id] = task if known is None else replace(known, file=task.file, status=task.status)
    return tuple(kept.values())


def _suite_task(evaluation: Evaluation, output: Mapping[str, JsonValue], file: str) -> Task:
    test, metadata = evaluation.test, evaluation.test.metadata
    accepted = _answers(metadata.get("accepted"), output)
    family = str(metadata.get("family") or test.description or evaluation.id)
    return Task(
        id=_id(evaluation.vars, accepted),
        description=test.description or evaluation.id,
        family=family,
        split=split_named(str(metadata.get("split"))) or split_of_family(family),
        vars=evaluation.vars,
        test=test,
        label=accepted[0] if accepted else None,
        accepted=accepted,
        forbidden=_answers(metadata.get("forbidden"), output),
        file=file,
    )


def _case_task(item: CaseWithTest, output: Mapping[str, JsonValue]) -> Task:
    case = item.case
    accepted = _answers(list(case.accepted), output)
    return Task(
        id=_id(case.vars, accepted),
        description=case.description,
        family=case.family or case.fingerprint,
        split=case.split,
        vars=case.vars,
        test=item.test,
        label=accepted[0] if accepted else None,
        accepted=accepted,
        forbidden=_answers(list(case.forbidden), output),
        file=item.file,
        status=case.status,
    )


def _answers(given: JsonValue, output: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
    """The answers as whole outputs."""
    key = answer_key(output)
    listed = given if isinstance(given, list) else []
    return tuple({key: answer} if key and not isinstance(answer, dict) else answer for answer in listed)


def _id(vars: Mapping[str, JsonValue], accepted: Sequence[JsonValue]) -> str:
    text = json.dumps([dict(vars), list(accepted)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
