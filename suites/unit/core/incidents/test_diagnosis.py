"""Every recording of Nomad that shows a job's state has a row: what is to be made of it."""

import json
from dataclasses import replace

import pytest

from evolve.core.adaptation.reflection import diagnostics_problems
from evolve.core.incidents.diagnosis import SETTLE_NS, diagnose
from evolve.core.incidents.failure import key_digest
from evolve.core.incidents.report import diagnostics_of
from evolve.core.model.incidents import JobAnswers, NoFailure
from evolve.core.text.diagnostics import digest
from evolve.store.agents import AGENTS_DIR
from fixtures.nomad_answers import LATER, recorded

SCHEMA = json.loads((AGENTS_DIR / "diagnostics.schema.json").read_text("utf-8"))

N = NoFailure
CASES = [
    # recording, job, last step, why nothing is to be done, status, exit code, signal, words of the signature
    ("01", "web", None, N.HEALTHY),
    ("07", "ver", 2, N.STOPPED),
    ("08", "par", None, N.PARENT),
    ("08", "par/dispatch-1795399067-76414451", None, N.FINISHED),
    ("09", "per", None, N.PARENT),
    ("11", "crash", 1, N.RESTART_DELAY, "pending", 7, 0, ""),
    ("11", "crash", 2, None, "failed", 7, 0, ""),
    ("11", "crash", None, N.DEPLOYING, "failed", None, None, ""),
    ("12", "bok", None, N.FINISHED),
    ("12", "bad", None, None, "failed", 42, 0, ""),
    ("13", "rec1", None, None, "failed", None, None, "disk on fire"),
    ("13", "rec2", None, None, "failed", None, None, "driver failure never"),
    ("13", "rdelay", None, N.RESTART_DELAY, "pending", 1, 0, ""),
    ("14", "oomd", None, None, "failed", 137, 0, ""),
    ("14", "oome", None, None, "failed", 137, 9, ""),
    ("14", "oomr", None, None, "failed", 137, 9, ""),
    ("15", "img", None, None, "failed", None, None, "failed to pull"),
    ("15", "img2", None, None, "failed", None, None, "failed to create shim task"),
    ("15", "bin", None, None, "failed", None, None, "not found under path"),
    ("15", "bin2", None, None, "failed", None, None, "could not be found"),
    ("15", "cfg", None, None, "failed", None, None, "missing required argument"),
    ("15", "usr", None, None, "failed", None, None, "unknown user nosuchuser"),
    ("16", "tpl1", None, None, "failed", None, None, "not defined"),
    ("16", "tpl2", None, None, "pending", None, None, "template missing: kv.block"),
    ("16", "tpl3", None, None, "failed", None, None, "error calling parseint"),
    ("16", "tpl4", None, None, "pending", None, None, "template missing: nomad.var.block"),
    ("16", "tpl5", None, None, "failed", None, None, "outside of sandbox"),
    ("16", "art1", None, None, "failed", None, None, "failed to download artifact"),
    ("16", "art2", None, None, "failed", None, None, "failed to download artifact"),
    ("17", "big", None, None, "pending", None, None, "memory"),
    ("17", "con", None, None, "pending", None, None, "attr.kernel.name"),
    ("17", "dch", None, None, "pending", None, None, "distinct_hosts"),
    ("17", "dc9", None, None, "pending", None, None, "no node available"),
    ("17", "drv", None, None, "pending", None, None, "missing drivers"),
    ("17", "po3", 18, None, "pending", None, None, "reserved port collision"),
    ("17", "deadport", None, None, "failed", 1, 0, ""),
    ("18", "dep", 1, N.HEALTHY),
    ("18", "dep", 8, N.RECOVERED),
    ("19", "pdl", 4, None, "pending", None, None, "template missing"),
    ("19", "pdl2", 9, N.DEPLOYING),
    ("19", "pdl2", 10, None, "pending", None, None, ""),
    ("20", "chk2", None, None, "unhealthy", None, None, ""),
    ("21", "sig", 1, N.RECOVERED),
    ("21", "ign", 7, N.HEALTHY),
    ("21", "ex0", None, None, "failed", 0, 0, ""),
    ("22", "act", 15, N.RECOVERED),
    ("30", "nd", 2, N.HEALTHY),
    ("30", "nd", 6, N.RECOVERED),
    ("30", "nd", None, N.HEALTHY),
    ("38", "fr-off", None, None, "failed", None, None, ""),
    ("38", "fr-used", 12, None, "failed", None, None, ""),
    ("38", "fr-unl", 20, N.FOLLOW_UP, "failed", None, None, ""),
    ("38", "fr-unl-dep", 31, N.FOLLOW_UP, "failed", None, None, ""),
    ("43", "heal-register-unchanged", None, None, "failed", None, None, ""),
    ("43", "heal-register-meta-changed", 11, N.RECOVERED),
    ("43", "heal-scale-0-1", 57, N.RECOVERED),
    ("45", "bat-register-unchanged", 3, None, "failed", None, None, ""),
]


@pytest.mark.parametrize(("number", "job", "last", "none", "facts"), [(*case[:4], case[4:]) for case in CASES], ids=str)
def test_each_recorded_state_has_its_diagnosis(number, job, last, none, facts):
    found = diagnose(recorded(number, job, last))
    assert found.none is none
    assert (found.failed is not None) is bool(facts)
    if found.failed is None:
        return
    status, exit_code, signal, words = facts
    evidence, key = found.failed.evidence, found.failed.key
    assert (evidence.status, evidence.exit_code, evidence.signal) == (status, exit_code, signal)
    assert key.job == job
    assert words in key.signature
    assert diagnostics_problems(diagnostics_of(found.failed), SCHEMA) == []


def first_end(answers: JobAnswers) -> int:
    (one,) = answers.allocations
    return min(event["Time"] for event in one["TaskStates"]["main"]["Events"] if event["Type"] == "Terminated")


def test_a_failure_says_since_when_and_how_often():
    one = diagnose(recorded("11", "crash")).failed
    assert one is not None
    # Three allocations failed, one after the other. The recording leaves out their restarts.
    assert one.failures == 3
    first = diagnose(recorded("11", "crash", 2)).failed
    assert first is not None
    assert first.failures == 3, "one allocation that was restarted twice"
    assert first.since_ns == first_end(recorded("11", "crash", 2))


def test_a_follow_up_is_waited_for_before_it_is_named():
    answers = recorded("11", "crash", 2)
    (failed,) = (one for one in answers.allocations if one["ClientStatus"] == "failed")
    just_now = replace(answers, now_ns=failed["ModifyTime"] + SETTLE_NS - 1)
    assert diagnose(just_now).none is N.FOLLOW_UP
    assert diagnose(replace(answers, now_ns=failed["ModifyTime"] + SETTLE_NS)).none is None


def test_limits_and_the_killer_are_known_of_a_task_out_of_memory():
    one = diagnose(recorded("14", "oome")).failed
    assert one is not None
    assert one.evidence.oom_killed is True
    assert one.limits == {"cpu_mhz": 50, "memory_mb": 32}
    assert one.driver == "exec"


def test_a_draining_node_is_no_failure_of_the_job():
    answers = recorded("14", "oome")
    assert diagnose(replace(answers, node={"Status": "ready", "Drain": True})).none is N.DRAINING


def test_an_old_version_that_fails_while_it_is_replaced_is_no_failure():
    answers = recorded("14", "oome")
    assert diagnose(replace(answers, job={**answers.job, "Version": 1})).none is N.REPLACED


def test_evaluations_of_a_purged_job_of_the_same_id_do_not_count():
    answers = recorded("17", "big")
    newest = max(one["CreateIndex"] for one in answers.evaluations)
    later = replace(answers, job={**answers.job, "CreateIndex": newest + 1})
    assert diagnose(later).failed is None


def test_a_job_that_is_gone_is_no_failure():
    assert diagnose(JobAnswers(None, LATER)).none is N.GONE


@pytest.mark.parametrize("case", [case for case in CASES if len(case) > 4 and case[3] is None], ids=str)
def test_the_key_is_the_same_at_each_reading_and_another_for_another_allocation(case):
    answers = recorded(*case[:3])
    first = diagnose(answers).failed
    assert first is not None
    read_again = replace(answers, now_ns=LATER + 10**12, logs={}, dependencies={"db": "critical"})
    again = diagnose(replace(read_again, allocations=answers.allocations[::-1])).failed
    assert again is not None
    assert key_digest(again.key) == key_digest(first.key)
    assert key_digest(replace(first.key, allocation="other")) != key_digest(first.key)
    assert key_digest(replace(first.key, job_version=9)) != key_digest(first.key)


def test_what_surrounds_a_failure_is_in_its_report_and_in_the_digest():
    answers = recorded("14", "oome")
    before = {**answers.job, "Stable": True}
    group = json.loads(json.dumps(answers.job["TaskGroups"]))
    group[0]["Tasks"][0]["Resources"]["MemoryMB"] = 16
    group[0]["Tasks"][0]["Env"] = {"TOKEN": "hunter2hunter2"}
    after = {**answers.job, "Version": 1, "TaskGroups": group}
    allocations = tuple({**one, "JobVersion": 1} for one in answers.allocations)
    node = {"Status": "ready", "SchedulingEligibility": "eligible", "NodeResources": {"Memory": {"MemoryMB": 2048}}}
    found = diagnose(
        replace(
            answers,
            job=after,
            versions=(after, before),
            allocations=allocations,
            node=node,
            dependencies={"db": "critical"},
        )
    )
    assert found.failed is not None
    report = diagnostics_of(found.failed)
    assert diagnostics_problems(report, SCHEMA) == []
    assert report["changes"] == [
        {"field": "app.main.Resources.MemoryMB", "before": 32, "after": 16},
        {"field": "app.main.Env.TOKEN"},
    ]
    text = digest(report, 400)
    assert "hunter2" not in json.dumps(report)
    assert "MemoryMB 32 -> 16" in text
    assert "depends on: db critical" in text
    assert "memory_mb 2048" in text
    assert f"since {report['since']}" in text
