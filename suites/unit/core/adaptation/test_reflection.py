import json

import pytest

from evolve.core.adaptation.reflection import Reflection, diagnostics_problems
from evolve.core.model.actions import Action
from evolve.store.agents import AGENTS_DIR

pytestmark = pytest.mark.adaptation

SCHEMA = json.loads((AGENTS_DIR / "diagnostics.schema.json").read_text())


def test_a_line_is_json_with_error_and_arguments_only_when_there_are_some():
    assert json.loads(Reflection("j", Action.RESTART, "A@1").line()) == {
        "job_id": "j",
        "action": "restart",
        "agent": "A@1",
    }
    given = Reflection("j", Action.FREE_PORT, "A@1", arguments={"port": 8080})
    assert json.loads(given.line())["arguments"] == {"port": 8080}
    assert json.loads(Reflection("j", Action.ERROR, "A@1", "why").line())["error"] == "why"


def test_unknown_keys_of_diagnostics_are_welcome():
    good = {"job_id": "j", "driver": "exec", "status": "failed", "stdout": "", "stderr": "", "color": "red"}
    assert diagnostics_problems(good, SCHEMA) == []


def test_every_problem_of_diagnostics_is_named():
    problems = diagnostics_problems({"job_id": 3, "driver": "exec", "stdout": "", "stderr": ""}, SCHEMA)
    assert len(problems) == 2
    assert any("job_id" in problem for problem in problems)
    assert any("status" in problem for problem in problems)
