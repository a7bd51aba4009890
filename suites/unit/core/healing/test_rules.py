"""Promise P7: which jobs may be touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.healing.rules import OWN_META, UNRULED, is_of, may_heal, rule_of
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.healing import HealingPolicy, JobRule, Mode
from fixtures.healing_contexts import JOB, RULE, job
from fixtures.nomad_answers import recorded

TASK = "TaskGroups.0.Tasks.0"
PROTECTED = [
    {"ID": "nomad"},
    {"ID": "consul-server"},
    {"Name": "infra/vault"},
    {"ID": "Nomad-Autoscaler"},
    {"ID": "anneal-supervisor"},
    {"Meta": {OWN_META: "1"}},
    {"Type": "system"},
    {"Type": "sysbatch"},
    {"Type": ""},
    {"Type": None},
    {"Type": "Service"},
    {"Stop": True},
    {"Stop": "false"},
    {"Periodic": {"Enabled": True}},
    {"ParameterizedJob": {"Payload": "required"}},
    {f"{TASK}.Config": {"image": "docker.io/hashicorp/vault:1.15"}},
    {f"{TASK}.Config": {"image": "hashicorp/consul@sha256:ab", "args": ["agent", "-server"]}},
    {f"{TASK}.Config": {"command": "/usr/bin/nomad", "args": ["agent"]}},
    {f"{TASK}.Config": {"command": "/bin/sh", "args": ["-c", "exec nomad agent -config /etc/nomad.d"]}},
    {f"{TASK}.Config": {"command": "/opt/anneal/bin/evolve", "args": ["supervise", "--mode", "act"]}},
    {f"{TASK}.Config": {"command": "/usr/bin/env", "args": ["evolve", "supervise"]}},
]
ALLOWED = [
    {},
    {"Stop": None},
    {"Type": "batch"},
    {"ID": "nomadic"},
    {"ID": "anneal-demo"},
    {"ID": "supervisor"},
    {"ID": "web-consulting"},
    {"Type": "batch", "ParameterizedJob": {"Payload": "required"}, "Dispatched": True},
    {f"{TASK}.Config": {"command": "/usr/bin/consul", "args": ["connect", "proxy", "-service", "web"]}},
    {f"{TASK}.Config": {"command": "/bin/sh", "args": ["-c", "echo consul"]}},
]


@pytest.mark.parametrize("changes", PROTECTED, ids=str)
def test_p7_the_cluster_itself_and_the_supervisor_are_never_touched(changes):
    for action in MODEL_ACTIONS - {Action.ESCALATE}:
        refused = may_heal(job(**changes), RULE, action)
        assert refused is not None
        assert refused.reason.startswith("not allowed: ")


@pytest.mark.parametrize("changes", ALLOWED, ids=str)
def test_p7_jobs_of_users_may_be_healed(changes):
    assert may_heal(job(**changes), RULE, Action.RESTART) is None


@given(st.frozensets(st.sampled_from(sorted(MODEL_ACTIONS))), st.sampled_from(sorted(Action)))
def test_p7_only_listed_actions_are_taken_and_people_may_always_be_called(allowed, action):
    refused = may_heal(JOB, JobRule("web", Mode.ACT, allowed), action)
    assert (refused is None) is (action in allowed or action is Action.ESCALATE)


def test_p7_a_proxy_of_the_mesh_makes_no_job_of_consul():
    found = recorded("41", "plain").job
    assert found is not None
    assert "/usr/bin/consul" in str(found)
    assert may_heal(found, RULE, Action.RESTART) is None


@pytest.mark.parametrize(
    ("pattern", "namespace", "name", "fits"),
    [
        ("default/web-*", "default", "web-1", True),
        ("default/web-*", "lab", "web-1", False),
        ("web-?", "lab", "web-1", True),
        ("web-?", "lab", "web-12", False),
        ("*", "lab", "par/dispatch-1", True),
        ("lab/par/*", "lab", "par/dispatch-1", True),
        ("*/web", "lab", "web", True),
        ("lab/*", "lab2", "web", False),
        ("w[e]b", "lab", "web", False),
        ("w.b", "lab", "web", False),
        ("WEB", "lab", "web", False),
        ("web", "lab", "web\n", False),
        ("web*", "lab", "web\nx", True),
    ],
)
def test_a_pattern_names_jobs(pattern, namespace, name, fits):
    assert is_of(pattern, namespace, name) is fits


def test_the_first_rule_that_fits_counts_and_without_one_a_job_is_observed():
    first, second = JobRule("lab/web", Mode.ACT), JobRule("web")
    policy = HealingPolicy((first, second))
    assert rule_of(policy, "lab", "web") is first
    assert rule_of(policy, "default", "web") is second
    assert rule_of(policy, "default", "db") is UNRULED
    assert (UNRULED.mode, UNRULED.actions) == (Mode.OBSERVE, frozenset())
