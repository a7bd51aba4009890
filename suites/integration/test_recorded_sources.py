"""Recorded tests of BFCL and reasoning-gym, run against an endpoint that answers some of them wrong."""

import importlib.util
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.core.formats.yaml12 import parse_yaml
from fixtures.faulty_server import FaultyServer, Ok, Scripted
from fixtures.loopback_server import Received
from fixtures.record_test_sources import FOLDER, NAMES, recorded_tests

SUITE = """\
prompts: ["Tools: {{{{ tools | dump }}}}\\n{{{{ question }}}}"]
providers: [{{id: "openai:chat:m", config: {{apiBaseUrl: "{url}/v1"}}}}]
tests: file://{file}
"""
WRONG = 4
"""Every fourth test is answered wrong."""


def read(file: str) -> list[dict[str, Any]]:
    tests: Any = parse_yaml((FOLDER / file).read_text("utf-8"), file)
    return list(tests)


def native(calls: list[Mapping[str, Any]]) -> Ok:
    functions = [{"name": call["name"], "arguments": json.dumps(call["arguments"])} for call in calls]
    listed = [{"id": str(at), "type": "function", "function": function} for at, function in enumerate(functions)]
    return Ok("", {"content": None, "tool_calls": listed})


def answer(test: Mapping[str, Any], is_right: bool) -> Ok:
    label = test["metadata"]["accepted"][0]
    if "answer" in label:
        return Ok(json.dumps(label) if is_right else json.dumps({"answer": f"not {label['answer']}"}))
    if not label["calls"]:
        return Ok("None of the functions fits.") if is_right else native([{"name": "any", "arguments": {}}])
    if is_right:
        return native(label["calls"])
    # The right function with one argument too many.
    return native([{**label["calls"][0], "arguments": {**label["calls"][0]["arguments"], "surplus": 1}}])


@pytest.mark.parametrize("file", sorted(NAMES))
def test_right_answers_pass_and_wrong_ones_fail(
    file: str, faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    tests = read(file)

    def reply(request: Received) -> Ok:
        prompt = request.json["messages"][-1]["content"]
        at = next(at for at, test in enumerate(tests) if prompt.endswith(test["vars"]["question"]))
        return answer(tests[at], at % WRONG != 0)

    faulty_server.plan(then=Scripted(reply))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copy(FOLDER / file, tmp_path)
    Path("suite.yaml").write_text(SUITE.format(url=faulty_server.url, file=file))
    assert main(["run", "suite.yaml", "--output", "out.json", "--quiet"]) == 1
    rows = json.loads(Path("out.json").read_text("utf-8"))["results"]["results"]
    failed = [row["testCase"]["description"] for row in rows if not row["success"]]
    assert len(rows) == 20
    assert sorted(failed) == sorted(test["description"] for test in tests[::WRONG])


@pytest.mark.parametrize(("file", "package"), [("bfcl.yaml", "bfcl_eval"), ("reasoning_gym.yaml", "reasoning_gym")])
def test_the_packages_still_have_what_was_recorded(file: str, package: str):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package.replace('_', '-')} is not installed: ./bootstrap.sh bench")
    assert recorded_tests(file) == read(file)
