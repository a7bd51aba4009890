"""The stand-in's diff of a plan is Nomad's, as the recordings have it."""

import pytest

from evolve.cluster.standin.differences import job_diff
from evolve.cluster.standin.shapes import job_filled
from evolve.core.healing.plan_diff import diff_problem
from evolve.core.healing.planning import plan_action
from evolve.core.model.healing import RegisterJob
from fixtures.healing_contexts import context, job, version
from fixtures.nomad_answers import steps

BEFORE = job_filled(steps("02")[0]["request"]["body"]["Job"])


def bare(node):
    """Return a diff without what depends on the allocations: what Nomad will do about each change."""
    if isinstance(node, list):
        return [bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: bare(value) for key, value in node.items() if key not in ("Annotations", "Updates")}


@pytest.mark.parametrize("step", [0, 1, 2, 3, 6, 7])
def test_a_recorded_plan_has_the_recorded_diff(step):
    found = steps("02")[step]
    after = job_filled(found["request"]["body"]["Job"])
    assert bare(job_diff(BEFORE, after)) == bare(found["response"]["body"]["Diff"])


def names(node, path=""):
    """Return what a diff names, with its kind."""
    own = f"{path}/{node['Name']}" if "Name" in node else path
    found = {(own, node["Type"])}
    for key in ("Fields", "Objects", "TaskGroups", "Tasks"):
        found |= {name for one in node.get(key) or () for name in names(one, own)}
    return found


def test_a_new_job_has_the_recorded_names_and_kinds():
    found = steps("01")[0]
    recorded = names(found["response"]["body"]["Diff"])
    own = names(job_diff(None, job_filled(found["request"]["body"]["Job"])))
    assert recorded <= own


@pytest.mark.parametrize(
    ("action", "arguments", "inner"),
    [
        ("restart", None, {}),
        ("increase_memory", {"memory_mb": 512}, {}),
        ("free_port", {"port": 8080}, {}),
        ("fix_image", None, {"TaskGroups.0.Tasks.0.Config": {"image": "web:1.2", "args": ["-v"]}}),
        ("fix_image", None, {"TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": "https://files.lab/app-1"}]}),
    ],
)
def test_each_action_changes_what_it_says_and_any_other_change_is_seen(action, arguments, inner):
    now = job(**{"TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": "https://files.lab/app-2"}]})
    before = version(4, **{"TaskGroups.0.Tasks.0.Artifacts": now["TaskGroups"][0]["Tasks"][0]["Artifacts"], **inner})
    planned = plan_action(context(action, arguments, job=now, versions=(before,), other_nodes=1))
    assert isinstance(planned, RegisterJob)
    assert diff_problem(planned, job_diff(job_filled(now), job_filled(planned.spec))) == ""
    # Somebody changes the job after it was read: then the diff is wider than the plan.
    for path, value in OTHER_CHANGES.items():
        changed = job(**{"TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": "https://files.lab/app-2"}], path: value})
        assert diff_problem(planned, job_diff(job_filled(changed), job_filled(planned.spec))) != "", path


OTHER_CHANGES = {
    "Priority": 70,
    "Datacenters": ["dc2"],
    "Meta": {"owner": "dev"},
    "Constraints": [{"LTarget": "${attr.kernel.name}", "Operand": "=", "RTarget": "linux"}],
    "TaskGroups.0.Count": 1,
    "TaskGroups.0.Meta": {"a": "b"},
    "TaskGroups.0.Networks": None,
    "TaskGroups.0.Services": [{"Name": "web"}],
    "TaskGroups.0.RestartPolicy": {"Attempts": 9},
    "TaskGroups.0.Tasks.0.Driver": "exec",
    "TaskGroups.0.Tasks.0.Env": {"TOKEN": "other"},
    "TaskGroups.0.Tasks.0.Templates": [{"EmbeddedTmpl": "x", "DestPath": "y"}],
    "TaskGroups.0.Tasks.0.User": "root",
    "TaskGroups.0.Tasks.0.Resources.CPU": 500,
    "TaskGroups.0.Tasks.1.Config": {"image": "side:2"},
    "TaskGroups.0.Tasks": job()["TaskGroups"][0]["Tasks"][:1],
}
