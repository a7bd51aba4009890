from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.healing import Await, Refused
from evolve.core.model.incidents import TaskLogs
from fixtures.healing_contexts import FAILED, context

DEPENDS = replace(
    FAILED,
    dependencies={"db": "critical", "cache": "passing", "queue": "absent"},
    evidence=replace(
        FAILED.evidence, logs=TaskLogs("", "dial tcp: lookup files.lab: connection refused (files.lab:21)")
    ),
)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (None, "db"),
        ("db", "db"),
        ("DB", "db"),
        ("db:5432", "db"),
        ("db.service.consul:5432", "db"),
        ("db.lab", "db"),
        ("cache", "cache"),
        ("files.lab", "files.lab"),
        ("files.lab:21", "files.lab"),
        ("files", None),
        ("iles.lab", None),
        ("evil.example", None),
    ],
)
def test_the_service_is_a_dependency_or_one_that_the_report_names(service, expected):
    given = context("wait_dependency", None if service is None else {"service": service}, failed=DEPENDS)
    planned = plan_action(given)
    if expected is None:
        assert isinstance(planned, Refused)
        assert planned.reason == "not allowed: the job depends on no such service, and the report names none"
    else:
        assert isinstance(planned, Await)
        assert planned.service == expected


@pytest.mark.parametrize("where", ["stdout", "event", "check"])
def test_each_part_of_the_report_counts(where):
    evidence = FAILED.evidence
    texts = {
        "stdout": replace(evidence, logs=TaskLogs("no answer from db-1.lab")),
        "event": replace(evidence, events=({"type": "Driver Failure", "message": "db-1.lab: no route to host"},)),
        "check": replace(evidence, checks=({"name": "db-1.lab", "status": "critical"},)),
    }
    given = context("wait_dependency", {"service": "db-1.lab"}, failed=replace(FAILED, evidence=texts[where]))
    assert isinstance(plan_action(given), Await)


def test_nobody_waits_where_all_dependencies_pass_and_none_is_named():
    failed = replace(FAILED, dependencies={"cache": "passing"})
    assert isinstance(plan_action(context("wait_dependency", failed=failed)), Refused)
