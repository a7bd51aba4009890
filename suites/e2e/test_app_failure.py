"""A real model's wrong choice in the running app becomes a case of the agent whose file the app was given."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.errors import ExitCode
from evolve.store.agents import AGENTS_DIR
from evolve.store.case_files import CaseFolder
from fixtures.real_experts import shipped_model

pytestmark = pytest.mark.adaptation

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAIN = "TWIN_AGENT_PLAIN"
REQUEST = "Turn on the light in the kitchen, please."
TIMEOUT_S = 1200


def end_to_end() -> dict[str, Any]:
    """One test, which the plain agent fails on the embedded model: the app must use the house."""
    test = {
        "description": "kitchen light",
        "vars": {"request": REQUEST},
        "metadata": {"agent": f"agents/{PLAIN}.md", "family": "e2e-light-on", "split": "train", "accepted": ["ha"]},
        "assert": [{"type": "javascript", "value": "output.calls.length > 0 && output.calls[0].tool === 'ha'"}],
    }
    provider = {"id": "python:ask_agent.py", "config": {"model": "small", "cache": False, "timeout": 900_000}}
    return {"prompts": ["{{ request }}"], "providers": [provider], "tests": [test]}


def test_a_wrong_choice_of_a_real_model_becomes_a_case(tmp_path: Path) -> None:
    shipped_model()
    shutil.copytree(AGENTS_DIR, tmp_path / "agents", ignore=shutil.ignore_patterns("gate_log.jsonl"))
    shutil.copy(HERE / "ask_agent.py", tmp_path)
    (tmp_path / "pyproject.toml").touch()  # the end of the checkout
    (tmp_path / "e2e.json").write_text(json.dumps(end_to_end()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOLVE_") and name != "CI"}
    own = {"E2E_AGENT_FILE": str(tmp_path / "agents" / f"{PLAIN}.md"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "run", "e2e.json", "--write-cases", "failure_cases"],
        cwd=tmp_path,
        env={**kept, **own, "EVOLVE_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == ExitCode.FAILURES, done.stdout + done.stderr
    (stored,) = CaseFolder(tmp_path / "failure_cases").load_all()
    case = stored.case
    assert case.drives_evolution
    assert (case.agent, case.accepted, case.vars) == (PLAIN, ("ha",), {"request": REQUEST})
    assert (case.source.agent, case.source.provider) == (f"{PLAIN}@1", "llamacpp:smollm2-135m")
    assert case.source.reason.startswith("expected ha, got ")
