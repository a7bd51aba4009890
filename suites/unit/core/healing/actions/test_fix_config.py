from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import Action
from evolve.core.model.healing import HEALING_META, RevertJob
from fixtures.healing_contexts import FAILED, RULE, context, job, version

TASK = "TaskGroups.0.Tasks.0"


def configured(number, level, **changes):
    return version(number, **{f"{TASK}.Env": {"LEVEL": level}}, **changes)


KEPT = (configured(4, "bad", stable=False), configured(3, "info"), configured(2, "debug"))
REMEDY = replace(RULE, remedies={"log.level": 2})
FIRST = replace(RULE, remedies={"a": 1})
GONE = "nothing to go back to: Nomad no longer keeps version 1, the declared remedy"
SAME = "nothing to go back to: the job already has the content of version 1"
STOPS = "not allowed: version 1, the declared remedy: it has other groups or counts"
NONE_LEFT = "nothing to go back to: no further version ran well with other content and the same counts"


@pytest.mark.parametrize(
    ("key", "changes", "expected"),
    [
        (None, {}, 3),
        ("log.level", {}, 3),
        ("log.level", {"rule": REMEDY}, 2),
        ("other", {"rule": REMEDY}, 3),
        (None, {"rule": REMEDY}, 3),
        ("log.level", {"rule": REMEDY, "tried": (Action.FIX_CONFIG,)}, 3),
        ("log.level", {"rule": REMEDY, "tried": (Action.FIX_CONFIG,) * 2}, NONE_LEFT),
        (None, {"tried": (Action.FIX_CONFIG,)}, 2),
        (None, {"tried": (Action.FIX_CONFIG,) * 2}, NONE_LEFT),
        (None, {"versions": KEPT[:1]}, NONE_LEFT),
        (None, {"versions": KEPT[:1], "healthy_versions": frozenset({4})}, 4),
        (None, {"versions": (version(4),)}, NONE_LEFT),
        (None, {"versions": (version(4, Meta={"owner": "ops", HEALING_META: "h0"}),)}, NONE_LEFT),
        (None, {"versions": (version(6, Meta={}),)}, NONE_LEFT),
        (None, {"versions": (configured(4, "x", Stop=True),)}, NONE_LEFT),
        (None, {"versions": (configured(4, "x", Type="batch"),)}, NONE_LEFT),
        (None, {"versions": (configured(4, "x", **{"TaskGroups.0.Count": 0}),)}, NONE_LEFT),
        (None, {"versions": (configured(4, "x", **{"TaskGroups.0.Count": 1}),)}, NONE_LEFT),
        (None, {"versions": ({"ID": "web", "Type": "service", "Version": 4, "Stable": True},)}, NONE_LEFT),
        ("a", {"rule": FIRST}, GONE),
        ("a", {"rule": FIRST, "versions": (version(1),)}, SAME),
        ("a", {"rule": FIRST, "versions": (configured(1, "x", **{"TaskGroups.0.Count": 0}),)}, STOPS),
        ("a", {"rule": replace(RULE, remedies={"a": 4}), "versions": KEPT}, 4),  # a person vouches for it
    ],
)
def test_the_version_is_the_last_that_ran_well_or_the_declared_one(key, changes, expected):
    planned = plan_action(context("fix_config", None if key is None else {"key": key}, **{"versions": KEPT, **changes}))
    if isinstance(expected, int):
        assert planned == RevertJob(expected, if_version=5)
    else:
        assert planned.reason == expected


def test_a_version_that_was_taken_back_is_not_tried_again_under_another_number():
    # Version 3 came back as version 6 and was stable for a while; then version 7 took it back.
    kept = (version(7), configured(6, "info"), version(5), *KEPT)
    now = job(Version=7)
    failed = replace(FAILED, key=replace(FAILED.key, job_version=7))
    first = plan_action(context("fix_config", job=now, versions=kept[2:], failed=failed))
    again = plan_action(context("fix_config", job=now, versions=kept, failed=failed, tried=(Action.FIX_CONFIG,)))
    assert (first, again) == (RevertJob(3, if_version=7), RevertJob(2, if_version=7))


def test_a_job_that_no_node_took_may_go_back():
    failed = replace(FAILED, key=replace(FAILED.key, allocation="", task=""))
    wrong = job(Datacenters=["dc9"])
    planned = plan_action(context("fix_config", failed=failed, job=wrong, versions=(version(4, Datacenters=["dc1"]),)))
    assert planned == RevertJob(4, if_version=5)
