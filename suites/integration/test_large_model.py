"""The larger local model, where it was fetched: it loads, answers a suite by its schema, and is measured."""

import json
import os

import pytest

from evolve.__main__ import main
from evolve.core.model.errors import ExitCode
from evolve.providers.model_catalog import fetchable_models
from evolve.system.cache_folder import cache_folder

LARGE = fetchable_models()[0]
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        not LARGE.place(cache_folder(os.environ)).is_file(), reason="needs the larger model: ./bootstrap.sh model large"
    ),
]


def test_it_is_whole_and_answers_within_its_memory(capsys: pytest.CaptureFixture[str]):
    assert main(["model", "check", LARGE.name, "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert "port" in found["answer"]
    assert found["peak_mb"] is None or 1_000 < found["peak_mb"] < 3_000


def test_it_answers_an_agents_suite_by_its_schema(capsys: pytest.CaptureFixture[str]):
    words = ["--provider", f"llamacpp:{LARGE.name}", "--agent", "TWIN_AGENT_PLAIN", "--filter-first-n", "4", "--json"]
    assert main(["run", "suites/agents/twin.yaml", *words]) in (ExitCode.DONE, ExitCode.FAILURES)
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] + found["failed"] == 4
    assert found["errors"] == 0
