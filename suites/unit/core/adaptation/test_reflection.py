import json

import pytest

from evolve.core.adaptation.reflection import MODEL_ACTIONS, Action, Reflection, diagnostics_problems, read_action
from evolve.store.agents import AGENTS_DIR

pytestmark = pytest.mark.adaptation

SCHEMA = json.loads((AGENTS_DIR / "diagnostics.schema.json").read_text())


@pytest.mark.parametrize("action", sorted(MODEL_ACTIONS))
def test_each_action_of_the_closed_set_is_read(action: Action):
    assert read_action(json.dumps({"action": action})) is action
    assert read_action({"action": str(action)}) is action


@pytest.mark.parametrize(
    "output",
    ["restart", '{"action": "rm -rf /"}', '{"action": "error"}', '{"action": "none"}', '{"action": ["restart"]}', "[]",
     "", "null", "[" * 100_000, 'Sure! {"action": "restart"}', '{"action": "restart"', None, 7, {"job": "other"}],
)  # fmt: skip
def test_anything_else_is_no_action(output):
    assert read_action(output) is None


def test_a_line_is_json_with_the_error_only_when_there_is_one():
    assert json.loads(Reflection("j", Action.RESTART, "A@1").line()) == {
        "job_id": "j",
        "action": "restart",
        "agent": "A@1",
    }
    assert json.loads(Reflection("j", Action.ERROR, "A@1", "why").line())["error"] == "why"


def test_unknown_keys_of_diagnostics_are_welcome():
    good = {"job_id": "j", "driver": "exec", "status": "failed", "stdout": "", "stderr": "", "color": "red"}
    assert diagnostics_problems(good, SCHEMA) == []


def test_every_problem_of_diagnostics_is_named():
    problems = diagnostics_problems({"job_id": 3, "driver": "exec", "stdout": "", "stderr": ""}, SCHEMA)
    assert len(problems) == 2
    assert any("job_id" in problem for problem in problems)
    assert any("status" in problem for problem in problems)
