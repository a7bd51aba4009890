import json
from dataclasses import replace

from evolve.core.healing.planning import plan_action
from evolve.core.healing.summary import summary_of
from evolve.core.model.actions import MODEL_ACTIONS
from fixtures.healing_contexts import FAILED, RULE, context, job, version

SECRET = "hunter2hunter2"
LEAKY = {
    "Meta": {"owner": SECRET},
    "TaskGroups.0.Tasks.0.Env": {"TOKEN": SECRET},
    "TaskGroups.0.Tasks.0.Templates": [{"EmbeddedTmpl": SECRET}],
    "TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": f"https://u:{SECRET}@files.lab/app-2"}],
    "TaskGroups.0.Tasks.0.Config": {"image": "web:1.3", "auth": {"password": SECRET}, "args": [SECRET]},
}
BEFORE = {**LEAKY, "TaskGroups.0.Tasks.0.Artifacts": [{"GetterSource": f"https://u:{SECRET}@files.lab/app-1"}]}


def lines(action, arguments=None, **changes):
    given = context(action, arguments, **changes)
    return summary_of(plan_action(given), given.job)


def test_a_summary_says_what_changes():
    replaced = "web: its allocations (2) are replaced"
    assert lines("increase_memory", {"memory_mb": 512}) == (
        "web: TaskGroups[app].Tasks[main].Resources.MemoryMB from 256 to 512",
        replaced,
    )
    image = version(4, **{"TaskGroups.0.Tasks.0.Config": {"image": "web:1.2"}})
    assert lines("fix_image", versions=(image,)) == (
        "web: TaskGroups[app].Tasks[main].Config.image from registry.lab:5000/team/web:1.3 to web:1.2",
        replaced,
    )
    assert lines("free_port", {"port": 8080}, other_nodes=1) == (
        "web: the group app no longer runs on the node n1",
        replaced,
    )
    rule = replace(RULE, scratch_paths=("/srv/app/tmp",))
    assert lines("free_disk", rule=rule) == ("web: the files below /srv/app/tmp are deleted", replaced)
    assert lines("fix_config", versions=(image,)) == ("web: version 4 comes back in place of version 5",)
    down = replace(FAILED, dependencies={"db": "critical"})
    assert lines("wait_dependency", failed=down) == ("web: nothing happens until db passes its checks", replaced)
    running = replace(FAILED, evidence=replace(FAILED.evidence, status="unhealthy"))
    assert lines("restart", failed=running) == ("web: the task main of the allocation a1 restarts in place",)
    assert lines("restart") == (replaced,)
    assert lines("escalate", {"reason": "Unclear."}) == ("web: a person is called: Unclear.",)


def test_a_summary_has_no_secrets():
    everything = replace(RULE, scratch_paths=("/srv/app/tmp",))
    for action in MODEL_ACTIONS:
        found = lines(
            action,
            job=job(**LEAKY),
            versions=(version(4, **BEFORE),),
            other_nodes=1,
            rule=everything,
            failed=replace(FAILED, dependencies={"db": "critical"}),
        )
        assert found
        assert SECRET not in json.dumps(found)
    given = context("fix_image", job=job(**LEAKY), versions=(version(4, **BEFORE),))
    assert summary_of(plan_action(given), given.job)[0] == "web: TaskGroups[app].Tasks[main].Artifact changes"
