"""Nomad's recorded diffs, and damaged ones, against what actions may change."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.healing.plan_diff import diff_problem
from evolve.core.healing.planning import plan_action
from evolve.core.model.healing import RegisterJob
from fixtures.healing_contexts import RULE, context, job, version
from fixtures.nomad_answers import steps

TASK = "TaskGroups[app].Tasks[main]"
MEMORY = f"{TASK}.Resources.MemoryMB"


def recorded_plan(number, step, touched):
    """Return a recorded request as a plan, and Nomad's diff of it."""
    found = steps(number)[step]
    return RegisterJob(found["request"]["body"]["Job"], 1, touched), found["response"]["body"]["Diff"]


RECORDED = [
    ("02", 0, (), ""),
    ("02", 0, (MEMORY,), ""),
    ("02", 1, ("Meta[owner]",), ""),
    ("02", 1, ("Meta[anneal_healing]",), "diff: it also changes Meta[owner]"),
    ("02", 2, (f"{TASK}.Config.args[0]",), f"diff: it also changes {TASK}.Config.args[1]"),
    ("02", 2, ("Meta[anneal_healing]", MEMORY), f"diff: it also changes {TASK}.Config.args[1]"),
    ("02", 3, ("Meta[anneal_healing]",), "diff: it also changes TaskGroups[app].Count"),
    ("02", 4, ("Meta[anneal_healing]",), "diff: Nomad's plan has none"),
    ("02", 6, (MEMORY,), ""),
    ("02", 6, ("Meta[anneal_healing]",), f"diff: it also changes {MEMORY}"),
    ("02", 6, ("TaskGroups[app].Tasks[other].Resources.MemoryMB",), f"diff: it also changes {MEMORY}"),
    ("02", 7, ("Priority",), f"diff: {TASK} is edited, and nothing says in what"),
    ("01", 0, ("Meta[owner]",), "diff: the job itself is added"),
    ("18", 2, ("Meta[owner]",), "diff: Nomad's plan has none"),
]


@pytest.mark.parametrize(("number", "step", "touched", "problem"), RECORDED, ids=str)
def test_p2_each_recorded_diff_is_held_against_the_plan(number, step, touched, problem):
    planned, diff = recorded_plan(number, step, touched)
    assert diff_problem(planned, diff) == problem


def test_p2_a_touched_field_with_another_value_is_outside():
    planned, diff = recorded_plan("02", 6, (MEMORY,))
    other = copy.deepcopy(planned.spec)
    other["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = 64
    assert MEMORY in diff_problem(replace(planned, spec=other), diff)


def test_p2_the_diff_of_another_job_is_a_problem():
    planned, diff = recorded_plan("02", 1, ("Meta[owner]",))
    assert diff_problem(replace(planned, spec={**planned.spec, "ID": "other"}), diff) == "diff: it is of another job"


def nodes(diff):
    """Return every object of a diff, with its path."""
    found, waiting = [], [((), diff)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            found.append((path, node))
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        waiting += [((*path, key), part) for key, part in items]
    return found


WIDER = [
    lambda node: node.update(Extra=[{"Type": "Edited"}]),
    lambda node: node.pop("Type", None),
    lambda node: node.update(Type="Moved"),
    lambda node: node.update(Fields=[{"Name": "Count", "Type": "Edited", "Old": "1", "New": "0", "Annotations": None}]),
    lambda node: node.update(Objects={"Name": "Env"}),
    lambda node: node.update(Objects=[{"Name": "Env", "Type": "Edited", "Fields": None, "Objects": None}]),
    lambda node: node.update(
        Objects=[
            {
                "Name": "Env",
                "Type": "Added",
                "Objects": None,
                "Fields": [{"Name": "A", "Type": "Added", "Old": "", "New": "x", "Annotations": None}],
            }
        ]
    ),
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_p2_a_wider_or_unknown_diff_is_a_problem_wherever_it_is(data):
    planned, diff = recorded_plan("02", data.draw(st.sampled_from([1, 6])), ("Meta[owner]", MEMORY))
    assert diff_problem(planned, diff) == ""
    damaged = copy.deepcopy(diff)
    changed = data.draw(st.sampled_from(nodes(damaged)).filter(lambda one: "Updates" not in one[0]))
    data.draw(st.sampled_from(WIDER))(changed[1])
    assert diff_problem(planned, damaged) != ""


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["None", "Edited", "Added", "web"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ID", "Type", "Name", "Fields", "Objects", "TaskGroups", "Tasks"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["ID", "Type", "Fields", "Objects", "TaskGroups"]), JSON))
def test_p2_whatever_is_answered_only_a_diff_without_changes_is_none(diff):
    planned, _ = recorded_plan("02", 1, ("Meta[owner]",))
    if diff_problem(planned, {**diff, "ID": "web"}) == "":
        assert diff["Type"] == "None" or "Meta[owner]" in str(diff)
        assert "Added" not in [group.get("Type") for group in diff.get("TaskGroups") or ()]


def diff_of(task, objects):
    """Return a diff as Nomad makes it: of the job's Meta, and of objects of the group, or of the named task."""
    named = [{"Name": name, "Type": kind, "Fields": inner, "Objects": None} for name, kind, inner in objects]
    inner = {"Name": task, "Type": "Edited", "Fields": None, "Objects": named, "Annotations": ["forces create"]}
    group = {"Name": "app", "Type": "Edited", "Fields": None, "Objects": named, "Tasks": None, "Updates": {"ignore": 1}}
    if task:
        group |= {"Objects": None, "Tasks": [inner]}
    meta = field("Meta[anneal_healing]", "", "h1", "Added")
    return {"ID": "web", "Type": "Edited", "Fields": [meta], "Objects": None, "TaskGroups": [group]}


def field(name, old, new, kind="Edited"):
    return {"Name": name, "Old": old, "New": new, "Type": kind, "Annotations": None}


def test_p2_an_added_constraint_is_the_plan_of_free_port_and_a_deleted_one_is_not():
    planned = plan_action(context("free_port", {"port": 8080}, other_nodes=1))
    assert isinstance(planned, RegisterJob)
    new = {"LTarget": "${node.unique.name}", "Operand": "!=", "RTarget": "n1"}
    added = ("Constraint", "Added", [field(name, "", value, "Added") for name, value in new.items()])
    assert diff_problem(planned, diff_of("", [added])) == ""
    deleted = ("Constraint", "Deleted", [field(name, value, "", "Deleted") for name, value in new.items()])
    assert "Constraint.LTarget" in diff_problem(planned, diff_of("", [added, deleted]))
    other = ("Constraint", "Added", [field(name, "", "x", "Added") for name in new])
    assert "Constraint.RTarget" in diff_problem(planned, diff_of("", [other]))


def test_p2_changed_artifacts_are_those_of_the_plan():
    def artifacts(source):
        return {"TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": source, "RelativeDest": "local/"}]}

    now, before = job(**artifacts("https://x/app-2")), version(4, **artifacts("https://x/app-1"))
    planned = plan_action(context("fix_image", {"image": "https://x/app-2"}, job=now, versions=(before,)))
    assert isinstance(planned, RegisterJob)
    gone = ("Artifact", "Deleted", [field("GetterSource", "https://x/app-2", "", "Deleted")])
    come = (
        "Artifact",
        "Added",
        [field("GetterSource", "", "https://x/app-1", "Added"), field("RelativeDest", "", "local/", "Added")],
    )
    evil = ("Artifact", "Added", [field("GetterSource", "", "https://evil/app", "Added")])
    assert diff_problem(planned, diff_of("main", [gone, come])) == ""
    assert "Artifact.GetterSource" in diff_problem(planned, diff_of("main", [gone, evil]))
    assert "Tasks[side]" in diff_problem(planned, diff_of("side", [gone, come]))


def test_p2_an_image_is_covered_and_its_arguments_are_not():
    before = version(4, **{"TaskGroups.0.Tasks.0.Config": {"image": "registry.lab:5000/team/web:1.2"}})
    planned = plan_action(context("fix_image", {"image": "web:1.3"}, versions=(before,), rule=RULE))
    assert isinstance(planned, RegisterJob)
    image = field("image", "registry.lab:5000/team/web:1.3", "registry.lab:5000/team/web:1.2")
    assert diff_problem(planned, diff_of("main", [("Config", "Edited", [image])])) == ""
    wider = [image, field("args[0]", "-v", "-x")]
    assert "Config.args[0]" in diff_problem(planned, diff_of("main", [("Config", "Edited", wider)]))
