from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import Action
from evolve.core.model.healing import Refused, RegisterJob
from fixtures.healing_contexts import FAILED, context, job, version

TASK = "TaskGroups.0.Tasks.0"
NOW = "registry.lab:5000/team/web:1.3"


def imaged(number, image, **changes):
    return version(number, **{f"{TASK}.Config": {"image": image, "args": ["old"]}}, **changes)


KEPT = (imaged(5, NOW, stable=False), imaged(4, "bad:1", stable=False), imaged(3, "web:1.2"), imaged(2, "web:1.1"))


def image_of(given):
    """Return the planned image; the reason where it is refused."""
    planned = plan_action(given)
    if isinstance(planned, Refused):
        return planned.reason
    assert isinstance(planned, RegisterJob)
    task = planned.spec["TaskGroups"][0]["Tasks"][0]
    assert task["Config"]["args"] == ["-v"], "only the image changes"
    return task["Config"]["image"]


NONE_LEFT = "nothing to go back to: no further version ran well with another image"
OTHER = "not allowed: the task that failed does not run the image that the agent names"


@pytest.mark.parametrize(
    ("image", "changes", "expected"),
    [
        (None, {}, "web:1.2"),
        (NOW, {}, "web:1.2"),
        ("web:1.3", {}, "web:1.2"),
        ("docker.io/" + NOW, {}, "web:1.2"),
        ("evil:1", {}, OTHER),
        ("web:1.2", {}, OTHER),
        ("side:1", {}, OTHER),
        ("b:1.3", {}, OTHER),
        (None, {"tried": (Action.FIX_IMAGE,)}, "web:1.1"),
        (None, {"tried": (Action.FIX_IMAGE,) * 2}, NONE_LEFT),
        (None, {"versions": KEPT[:2]}, NONE_LEFT),
        (None, {"versions": ()}, NONE_LEFT),
        (None, {"versions": (imaged(4, NOW),)}, NONE_LEFT),
        (None, {"versions": (imaged(6, "web:1.4"),)}, NONE_LEFT),
        (None, {"versions": (imaged(4, "web:1.2", ID="other"),)}, NONE_LEFT),
        (None, {"versions": (imaged(4, "web:1.2", **{f"{TASK}.Driver": "exec"}),)}, NONE_LEFT),
        (None, {"versions": (imaged(4, ""),)}, NONE_LEFT),
        (None, {"versions": KEPT[1:2], "healthy_versions": frozenset({4})}, "bad:1"),
    ],
    ids=str,
)
def test_the_image_is_that_of_a_version_that_ran_well(image, changes, expected):
    given = context("fix_image", None if image is None else {"image": image}, **{"versions": KEPT, **changes})
    assert image_of(given) == expected


def test_a_version_with_other_counts_still_has_its_image():
    scaled = imaged(4, "web:1.2", **{"TaskGroups.0.Count": 7})
    planned = plan_action(context("fix_image", versions=(scaled,)))
    assert isinstance(planned, RegisterJob)
    assert planned.spec["TaskGroups"][0]["Count"] == 2
    assert planned.spec["TaskGroups"][0]["Tasks"][0]["Config"]["image"] == "web:1.2"


@pytest.mark.parametrize(("key", "driver"), [("command", "raw_exec"), ("command", "exec"), ("jar_path", "java")])
def test_a_command_is_replaced_without_its_arguments(key, driver):
    now = job(**{f"{TASK}.Driver": driver, f"{TASK}.Config": {key: "/opt/app-2", "args": ["-v"]}})
    before = version(4, **{f"{TASK}.Driver": driver, f"{TASK}.Config": {key: "/opt/app-1", "args": []}})
    planned = plan_action(context("fix_image", {"image": "/opt/app-2"}, job=now, versions=(before,)))
    assert isinstance(planned, RegisterJob)
    assert planned.spec["TaskGroups"][0]["Tasks"][0]["Config"] == {key: "/opt/app-1", "args": ["-v"]}
    assert planned.touched[1:] == (f"TaskGroups[app].Tasks[main].Config.{key}",)


def test_an_artifact_is_replaced_where_it_is_what_changed():
    def artifact(source):
        return {f"{TASK}.Artifacts": [{"GetterSource": source, "RelativeDest": "local/"}]}

    now, before = job(**artifact("https://files.lab/app-2")), version(4, **artifact("https://files.lab/app-1"))
    for arguments in (None, {"image": "https://files.lab/app-2"}, {"image": "app-2"}):
        planned = plan_action(context("fix_image", arguments, job=now, versions=(before,)))
        assert isinstance(planned, RegisterJob)
        task = planned.spec["TaskGroups"][0]["Tasks"][0]
        assert task["Artifacts"] == [{"GetterSource": "https://files.lab/app-1", "RelativeDest": "local/"}]
        assert task["Config"] == now["TaskGroups"][0]["Tasks"][0]["Config"]


def test_a_job_that_no_node_took_gets_no_other_image():
    failed = replace(FAILED, key=replace(FAILED.key, allocation=""))
    assert image_of(context("fix_image", versions=KEPT, failed=failed)).startswith("placement: ")
