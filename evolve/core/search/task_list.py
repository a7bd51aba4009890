"""Tasks made from suites and failure cases."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.labels import answer_key
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.families import SPLITS, Split, family_of, split_named, split_of_family
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Test
from evolve.core.search.tasks import Task
from evolve.core.suites.suite_dump import requirements_mapping


class CaseWithTest(NamedTuple):
    """A failure case, the test that its file loads as, and the file."""

    case: FailureCase
    test: Test
    file: str


def suite_tasks(evaluations: Iterable[Evaluation], output: Mapping[str, JsonValue], file: str) -> list[Task]:
    """Return one task for each test of a suite, with the split that its family's tests name, or a split by hash.

    Tests of the split `test` are among them, for benchmarks; `merge_tasks` leaves them out.

    Args:
        output: the agent's output schema: `accepted: [restart]` means `{"action": "restart"}` where that is its one
            closed property.

    Raises:
        InputError: tests name unknown splits, or several splits for one family; it lists all of them.
    """
    by_test = {evaluation.test_index: evaluation for evaluation in reversed(list(evaluations))}
    listed = [by_test[index] for index in sorted(by_test)]
    splits = _splits(listed, file)
    return [_suite_task(evaluation, splits, output, file) for evaluation in listed]


def case_tasks(cases: Iterable[CaseWithTest], output: Mapping[str, JsonValue], today: str = "") -> list[Task]:
    """Return one task for each labelled failure case that is open or guards the agent.

    Args:
        output: the agent's output schema, as in `suite_tasks`.
        today: as YYYY-MM-DD; pinned cases that a person has waived until then or later are left out.
    """
    usable = [
        item for item in cases if item.case.is_labelled and (item.case.status == "open" or item.case.guards(today))
    ]
    return [_case_task(item, output) for item in usable]


def merge_tasks(suite: Sequence[Task], cases: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks that an evolution works with; a failure case of a suite's test replaces that test.

    A failure case is left out if its family or its input is in the suite's val, gate or test split: the search must not
    see those. The suite's test split itself is left out: neither search nor gate may read it.
    """
    held_out = [task for task in suite if task.split != "train"]
    families, inputs = {task.family for task in held_out}, {_id(task.vars, ()) for task in held_out}
    kept = {task.id: task for task in suite if task.split != "test"}
    for task in cases:
        if task.family in families or _id(task.vars, ()) in inputs:
            continue
        known = kept.get(task.id)
        kept[task.id] = task if known is None else replace(known, file=task.file, status=task.status)
    return tuple(kept.values())


def _splits(listed: Sequence[Evaluation], file: str) -> Mapping[str, Split]:
    """Return the split of each family."""
    named: dict[str, set[Split]] = {}
    problems: list[str] = []
    for evaluation in listed:
        own = named.setdefault(family_of(evaluation), set())
        word = evaluation.test.metadata.get("split")
        split = split_named(str(word))
        if split is not None:
            own.add(split)
        elif word is not None:
            what = f"{evaluation.test.description or evaluation.id}: metadata.split"
            problems.append(f"{what}: expected one of {', '.join(SPLITS)}, got {word!r}")
    for family, splits in named.items():
        if len(splits) > 1:
            what = f"the family {family!r} is in {' and '.join(sorted(splits))}"
            problems.append(f"{what}: a family is one root cause, so give all of its tests the same metadata.split")
    if problems:
        raise InputError(Problem(text, Location(file)) for text in dict.fromkeys(problems))
    return {family: splits.pop() if splits else split_of_family(family) for family, splits in named.items()}


def _suite_task(
    evaluation: Evaluation, splits: Mapping[str, Split], output: Mapping[str, JsonValue], file: str
) -> Task:
    test, metadata = evaluation.test, evaluation.test.metadata
    accepted = _answers(metadata.get("accepted"), output)
    family = family_of(evaluation)
    return Task(
        id=_id(evaluation.vars, accepted, test),
        description=test.description or evaluation.id,
        family=family,
        split=splits[family],
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
        id=_id(case.vars, accepted, item.test),
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
        is_of_suite=False,
    )


def _answers(given: JsonValue, output: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
    """Return the answers as whole outputs; a value that is not a list is the only answer."""
    key = answer_key(output)
    listed = given if isinstance(given, list) else [] if given is None else [given]
    return tuple({key: answer} if key and not isinstance(answer, dict) else answer for answer in listed)


def _id(vars: Mapping[str, JsonValue], accepted: Sequence[JsonValue], test: Test | None = None) -> str:
    """Return the id made from the right answers where they are known, else from the assertions.

    A failure case is the same task as the test that it came from, though its assertions put the answers differently.
    """
    wanted: Sequence[object] = accepted or (requirements_mapping(test) if test is not None else ())
    text = json.dumps([dict(vars), list(wanted)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
