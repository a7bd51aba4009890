from pathlib import Path
from typing import Any

import pytest

from evolve.core.incidents.grounding import grounded
from evolve.core.incidents.proposal import read_proposal
from evolve.core.model.actions import Proposal
from evolve.evaluation.setup import Settings, load

REPORT = {
    "job_id": "web",
    "image": "r.internal:5000/web:1.2",
    "limits": {"memory_mb": 512},
    "stdout": "cannot open '/srv/data/a.log'. No space left",
    "stderr": "bind 0.0.0.0:8080 failed; db.internal:5432 refused, unknown proxy_passs in /etc/nginx/a.conf:12",
    "events": [{"type": "Driver Failure", "message": "Failed to pull `other:2`"}],
    "dependencies": [{"name": "cache", "status": "critical"}],
    "exit_code": 137,
    "changes": [{"field": "Port", "before": 8000, "after": 8008}],
    "placement": {"nodes_exhausted": 3, "dimension_exhausted": {"network: reserved port collision web=443": 3}},
}
OWN_NAMES = ["stderr", "memory_mb", "status"]
WRONG_PORTS = ["db.internal:54", "db.internal:137", "cache:8080"]


def arguments(**answer: Any) -> object:
    found = read_proposal(answer)
    assert isinstance(found, Proposal)
    return grounded(found, REPORT).arguments


@pytest.mark.parametrize(
    ("name", "action", "named", "invented"),
    [
        ("port", "free_port", [8080, 5432, 8008, 443], [80, 8081, 543, 137, 512, 3]),
        ("image", "fix_image", ["r.internal:5000/web:1.2", "other:2"], ["r.internal:5000/web:1", "web:2"]),
        ("path", "free_disk", ["/srv/data", "/srv/data/", "/srv", "/srv/data/a.log"], ["/", "/data", "/srv/dat"]),
        ("key", "fix_config", ["proxy_passs", "/etc/nginx/a.conf"], ["proxy_pass", "nginx.conf", "passs", *OWN_NAMES]),
        ("service", "wait_dependency", ["db.internal:5432", "db.internal", "cache", "Cache"], ["db", *WRONG_PORTS]),
    ],
)  # fmt: skip
def test_only_arguments_that_the_report_names_are_kept(name, action, named, invented):
    assert [value for value in named if arguments(action=action, **{name: value}) is None] == []
    assert [value for value in invented if arguments(action=action, **{name: value}) is not None] == []


def test_a_root_that_is_named_is_kept():
    found = read_proposal({"action": "free_disk", "path": "/"})
    assert isinstance(found, Proposal)
    assert grounded(found, {"stderr": "df: / 100% used"}).arguments is not None


@pytest.mark.parametrize(
    "answer",
    [{"action": "restart"}, {"action": "increase_memory", "memory_mb": 2048}, {"action": "escalate", "reason": "why"}],
)
def test_a_new_limit_and_a_reason_need_not_be_in_the_report(answer):
    found = read_proposal(answer)
    assert isinstance(found, Proposal)
    assert grounded(found, REPORT) == found


def test_an_action_stays_without_its_argument():
    found = read_proposal({"action": "free_port", "port": 1})
    assert isinstance(found, Proposal)
    assert grounded(found, REPORT) == Proposal(found.action, None)


def test_every_right_answer_of_the_suite_is_in_its_report():
    lost = []
    for case in load(str(Path("suites/agents/heal.yaml")), Settings()).evaluations:
        found = read_proposal(case.test.metadata["accepted"][0])
        assert isinstance(found, Proposal)
        if grounded(found, case.vars["diagnostics"]) != found:
            lost.append((case.test.description, found.arguments))
    assert lost == []
