import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from evolve.core.healing.policy_file import policy_schema, read_policy
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.errors import InputError
from evolve.core.model.healing import HealingLimits, HealingPolicy, JobRule, Mode

GOOD = """\
mode: suggest            # of all jobs without their own
limits: {attempts: 3, healthy_s: 30}
jobs:
  - job: "default/web-*"
    mode: act
    actions: [restart, increase_memory, fix_config, free_disk]
    max_memory_mb: 2048
    scratch_paths: [/srv/web/tmp/]
    remedies: {log.level: 3}
  - job: "*"
    actions: [restart]
"""


def test_a_policy_is_read_with_its_defaults():
    web = JobRule(
        "default/web-*",
        Mode.ACT,
        frozenset({Action.RESTART, Action.INCREASE_MEMORY, Action.FIX_CONFIG, Action.FREE_DISK}),
        2048,
        ("/srv/web/tmp",),
        {"log.level": 3},
    )
    others = JobRule("*", Mode.SUGGEST, frozenset({Action.RESTART}))
    policy = read_policy(GOOD, "policy.yaml")
    assert policy == HealingPolicy((web, others), HealingLimits(attempts=3, healthy_s=30.0))
    assert isinstance(policy.limits.healthy_s, float)


def problems(text):
    with pytest.raises(InputError) as caught:
        read_policy(text, "policy.yaml")
    return str(caught.value).splitlines()


def test_all_problems_are_reported_at_once_with_their_places_and_hints():
    text = """\
mod: act
limits: {attemps: 3, healthy_s: -1, node_memory_share: 2}
jobs:
  - job: web-[ab]
    mode: auto
    actions: [restrat]
  - job: db
    max_memory_mb: 1
    actions: restart
  - actions: [restart]
"""
    assert problems(text) == [
        "policy.yaml:1:1: mod: unknown key 'mod' (did you mean 'mode'?)",
        "policy.yaml:2:10: limits.attemps: unknown key 'attemps' (did you mean 'attempts'?)",
        "policy.yaml:2:33: limits.healthy_s: -1 is less than the minimum of 1",
        "policy.yaml:2:56: limits.node_memory_share: 2 is more than the maximum of 1",
        "policy.yaml:4:10: jobs[0].job: expected NAMESPACE/JOB or JOB, in which * and ? stand for other characters, "
        "got the text 'web-[ab]'",
        "policy.yaml:5:11: jobs[0].mode: expected 'observe', 'suggest' or 'act', got the text 'auto'",
        "policy.yaml:6:15: jobs[0].actions[0]: expected 'restart', 'increase_memory', 'fix_image', 'free_port', "
        "'free_disk', 'fix_config', 'wait_dependency' or 'escalate', got the text 'restrat' "
        "(did you mean 'restart'?)",
        "policy.yaml:8:20: jobs[1].max_memory_mb: 1 is less than the minimum of 10",
        "policy.yaml:9:14: jobs[1].actions: expected a list, got the text 'restart'",
        "policy.yaml:10:5: jobs[2]: the key 'job' is missing",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping, got nothing"),
        ("mode: act", "the key 'jobs' is missing"),
        ("jobs: []", "it is empty"),
        ("jobs: [{job: web}]", "mode suggest without actions: nothing may be done"),
        ("mode: act\njobs: [{job: web}]", "mode act without actions: nothing may be done"),
        ("jobs: [{job: web, actions: [free_disk]}]", "free_disk without scratch_paths is always refused"),
        ("jobs: [{job: web, actions: [restart], max_memory_mb: 64}]", "max_memory_mb has no effect"),
        ("jobs: [{job: web, actions: [restart], scratch_paths: [/a/b]}]", "scratch_paths has no effect"),
        ("jobs: [{job: web, actions: [restart], remedies: {a: 1}}]", "remedies has no effect"),
        ("jobs: [{job: web, actions: [free_disk], scratch_paths: [/]}]", "expected an absolute path"),
        ("jobs: [{job: web, actions: [free_disk], scratch_paths: [/var]}]", "expected an absolute path"),
        ("jobs: [{job: web, actions: [free_disk], scratch_paths: [/srv/../etc]}]", "expected an absolute path"),
        ("jobs: [{job: web, actions: [free_disk], scratch_paths: [/srv/*]}]", "expected an absolute path"),
        ("jobs: [{job: web, actions: [free_disk], scratch_paths: [tmp/x]}]", "expected an absolute path"),
        ("limits: {first_backoff_s: 7200}\njobs: [{job: a, mode: observe}]", "first_backoff_s is more than"),
        ("limits: {healthy_s: .inf}\njobs: [{job: a, mode: observe}]", "inf is more than the maximum"),
        ("jobs: [{job: a, mode: observe}]\njobs: [{job: b, mode: observe}]", "2:1: "),
        ("jobs: [{job: a, mode: observe}, {job: a, mode: observe}]", "no job gets here: 'a'"),
        ("jobs: [{job: '*', mode: observe}, {job: lab/a, mode: observe}]", "no job gets here: '*'"),
        ("jobs: [{job: 'lab/*', mode: observe}, {job: 'lab/w?b*', mode: observe}]", "no job gets here: 'lab/*'"),
    ],
)
def test_what_is_a_mistake_or_has_no_effect_is_reported(text, expected):
    (found,) = problems(text)
    assert expected in found


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("lab/*", "*"),
        ("w?", "w*"),
        ("web-*", "web*"),
        ("default/web", "web"),
        ("?*", "*"),
        ("lab/a", "lab/?"),
        ("a*b", "a*"),
    ],
)
def test_a_wider_pattern_may_follow(earlier, later):
    read = read_policy(f"jobs: [{{job: '{earlier}', mode: observe}}, {{job: '{later}', mode: observe}}]", "p.yaml")
    assert len(read.rules) == 2


def test_the_schema_and_the_values_have_the_same_keys_and_defaults():
    definitions = policy_schema()["$defs"]
    limits = {name: part["default"] for name, part in definitions["limits"]["properties"].items()}
    assert limits == {one.name: one.default for one in fields(HealingLimits)}
    assert {"pattern" if name == "job" else name for name in definitions["rule"]["properties"]} == {
        one.name for one in fields(JobRule)
    }
    assert set(definitions["rule"]["properties"]["actions"]["items"]["enum"]) == MODEL_ACTIONS
    assert definitions["mode"]["enum"] == list(Mode)


def test_the_docs_have_every_key_and_an_example_that_is_read():
    page = (Path(__file__).parents[4] / "docs" / "supervisor.md").read_text("utf-8")
    for name, part in (*rule_and_top(), *policy_schema()["$defs"]["limits"]["properties"].items()):
        assert f"| `{name}` |" in page
        assert "default" not in part or f"| {json.dumps(part['default'])} |" in page
    for example in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        read_policy(example, "docs/supervisor.md")


def rule_and_top():
    schema = policy_schema()
    return (*schema["properties"].items(), *schema["$defs"]["rule"]["properties"].items())
