import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.incidents.proposal import action_schema, actions_schema, read_proposal, response_format
from evolve.core.model.actions import (
    ARGUMENTS,
    MODEL_ACTIONS,
    Action,
    Escalate,
    FixConfig,
    FixImage,
    FreeDisk,
    FreePort,
    IncreaseMemory,
    NotAProposal,
    Proposal,
    Restart,
    WaitDependency,
)

ROOT = Path(__file__).parents[4]
GOOD = [
    ({"action": "restart"}, Restart()),
    ({"action": "increase_memory", "memory_mb": 512}, IncreaseMemory(512)),
    ({"action": "increase_memory", "memory_mb": 512.0}, IncreaseMemory(512)),
    ({"action": "fix_image", "image": "registry.lab:5000/team/web:1.2@sha256:ab12"}, None),
    ({"action": "fix_image", "image": "/usr/local/bin/app"}, None),
    ({"action": "fix_image", "image": "https://files.lab/app-1.2.tar.gz"}, None),
    ({"action": "free_port", "port": 8080}, FreePort(8080)),
    ({"action": "free_disk", "path": "/"}, FreeDisk("/")),
    ({"action": "free_disk", "path": "/var/lib/.cache/app-1/"}, FreeDisk("/var/lib/.cache/app-1/")),
    ({"action": "fix_config", "key": "server.listeners[0].port"}, FixConfig("server.listeners[0].port")),
    ({"action": "fix_config", "key": "--log-level"}, FixConfig("--log-level")),
    ({"action": "fix_config", "key": "/etc/app/conf.d/10-db.yaml"}, FixConfig("/etc/app/conf.d/10-db.yaml")),
    ({"action": "wait_dependency", "service": "db.lab:5432"}, WaitDependency("db.lab:5432")),
    ({"action": "escalate", "reason": "Two replicas disagree."}, Escalate("Two replicas disagree.")),
]  # fmt: skip
BAD = [
    {"action": "increase_memory", "memory_mb": 0},
    {"action": "increase_memory", "memory_mb": -512},
    {"action": "increase_memory", "memory_mb": 1.5},
    {"action": "increase_memory", "memory_mb": True},
    {"action": "increase_memory", "memory_mb": "512"},
    {"action": "increase_memory", "memory_mb": 10**12},
    {"action": "increase_memory", "memory_mb": None},
    {"action": "free_port", "port": 0},
    {"action": "free_port", "port": 65536},
    {"action": "free_port", "memory_mb": 512},
    {"action": "free_disk", "path": "relative/path"},
    {"action": "free_disk", "path": "/var/../etc"},
    {"action": "free_disk", "path": "/var/.."},
    {"action": "free_disk", "path": "/../x"},
    {"action": "free_disk", "path": "/var//lib"},
    {"action": "free_disk", "path": "/var; rm -rf /"},
    {"action": "free_disk", "path": "/var\n"},
    {"action": "free_disk", "path": "/" + "a" * 600},
    {"action": "fix_image", "image": ""},
    {"action": "fix_image", "image": "web:1 --privileged"},
    {"action": "fix_image", "image": "../../x"},
    {"action": "fix_image", "image": "$(id)"},
    {"action": "fix_config", "key": "../../x"},
    {"action": "fix_config", "key": "a b"},
    {"action": "fix_config", "key": "`id`"},
    {"action": "wait_dependency", "service": "db:543210"},
    {"action": "wait_dependency", "service": "db/../x"},
    {"action": "wait_dependency", "service": "-db"},
    {"action": "escalate", "reason": ""},
    {"action": "escalate", "reason": "a\u202eb"},
    {"action": "escalate", "reason": "x" * 501},
    {"action": "restart", "job": "other"},
    {"action": "restart", "command": "rm -rf /"},
    {"action": "increase_memory", "memory_mb": 512, "namespace": "other"},
    {"action": "error"},
    {"action": "none"},
    {"action": "stop"},
    {"action": ["restart"]},
    {},
    [],
    None,
    7,
    "restart",
    '{"action": "restart"} {"action": "escalate"}',
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize(("answer", "arguments"), GOOD, ids=str)
def test_an_answer_of_the_schema_is_a_proposal(answer, arguments):
    expected = FixImage(answer["image"]) if arguments is None else arguments
    for output in (answer, json.dumps(answer)):
        found = read_proposal(output)
        assert found == Proposal(Action(answer["action"]), expected)
        assert found.given() == {key: value for key, value in answer.items() if key != "action"}


@pytest.mark.parametrize("output", BAD, ids=lambda output: str(output)[:60])
def test_anything_else_is_no_proposal_and_says_why(output):
    found = read_proposal(output)
    assert isinstance(found, NotAProposal)
    assert found.reason


@pytest.mark.parametrize("action", sorted(MODEL_ACTIONS - {Action.RESTART}))
def test_an_agent_may_leave_all_arguments_to_code(action: Action):
    assert read_proposal({"action": str(action)}) == Proposal(action, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


KEYS = st.sampled_from(["action", "memory_mb", "path", "image", "port", "job"])


@given(st.dictionaries(KEYS, JSON | st.sampled_from(sorted(MODEL_ACTIONS))))
def test_no_answer_gets_past_the_types(answer):
    found = read_proposal(answer)
    if isinstance(found, Proposal):
        assert found.action in MODEL_ACTIONS
        assert answer.keys() <= {"action", *ARGUMENTS[found.action].__dataclass_fields__}


def test_the_schema_and_the_typed_values_have_the_same_actions_and_arguments():
    schema = actions_schema()
    assert schema["$defs"].keys() == MODEL_ACTIONS == ARGUMENTS.keys()
    assert [one["$ref"].rpartition("/")[2] for one in schema["anyOf"]] == list(schema["$defs"])
    for action, made in ARGUMENTS.items():
        properties = action_schema(action)["properties"]
        assert list(properties) == ["action", *made.__dataclass_fields__]
        assert properties["action"] == {"const": action}
        assert action_schema(action)["required"] == list(properties)


def test_the_response_format_is_the_schema():
    assert response_format()["json_schema"]["schema"] == actions_schema()


def test_suite_agents_and_docs_name_the_actions_of_the_schema():
    listed = ", ".join(actions_schema()["$defs"])
    assert f"enum: [{listed}]" in (ROOT / "suites/agents/reflection.yaml").read_text("utf-8")
    for agent in ("REFLECTION_AGENT", "REFLECTION_AGENT_PLAIN"):
        assert f"enum: [{listed}]" in (ROOT / f"evolve/agents/{agent}.md").read_text("utf-8")
    page = (ROOT / "docs/actions.md").read_text("utf-8")
    for action, schema in actions_schema()["$defs"].items():
        for name, argument in schema["properties"].items():
            bounds = [str(argument[word]) for word in ("minimum", "maximum", "maxLength") if word in argument]
            row = next(line for line in page.splitlines() if line.startswith(f"| `{action}` |"))
            assert name == "action" or f"`{name}`" in row
            assert all(bound in row for bound in bounds)


def test_no_text_of_an_argument_can_end_the_string_that_a_grammar_writes():
    # llama.cpp puts a pattern into its grammar as it is: a class with a quote in it lets the model go on as it likes.
    patterns = [
        part["pattern"]
        for schema in actions_schema()["$defs"].values()
        for part in schema["properties"].values()
        if "pattern" in part
    ]
    assert len(patterns) == 5
    for text in ('a"b', "a\\b", 'a", "job": "db'):
        assert [pattern for pattern in patterns if re.fullmatch(pattern, text)] == []
