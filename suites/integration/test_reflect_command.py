import json
import subprocess
import sys
from pathlib import Path

import pytest

AGENT = """---
name: FIXED
version: 1
description: answers what its command answers
inputs: {diagnostics: {digest: 300}}
output: {type: object}
model: "exec:%s answer.py"
---
## Case
{{ diagnostics }}
"""
ANSWER = """import json, sys
report = json.loads(sys.argv[1])[-1]["content"]
if "in use: 8080" in report:
    print(json.dumps({"action": "free_port", "port": 8080}))
    sys.exit()
if "in use: 70000" in report:
    print(json.dumps({"action": "free_port", "port": 70000}))
    sys.exit()
print(json.dumps({"action": "free_disk" if "no space" in report else "free_port" if "in use" in report else "dance"}))
"""


def report(job_id: str, stderr: str) -> str:
    return json.dumps({"job_id": job_id, "driver": "exec", "status": "failed", "stdout": "", "stderr": stderr})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "FIXED.md").write_text(AGENT % sys.executable)
    (tmp_path / "answer.py").write_text(ANSWER)
    return tmp_path


def reflect(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evolve.cli.reflect", "--agent", "FIXED.md", *arguments]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_json_lines_are_answered_in_their_order(folder: Path):
    lines = [report(f"job-{number}", "no space left" if number % 2 else "address in use") for number in range(6)]
    done = reflect(folder, "-", stdin="\n".join(lines))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["job_id"] for answer in answers] == [f"job-{number}" for number in range(6)]
    assert [answer["action"] for answer in answers] == ["free_port", "free_disk"] * 3
    assert done.returncode == 0


def test_files_are_answered_in_their_order(folder: Path):
    (folder / "a.json").write_text(report("a", "no space left"))
    (folder / "b.json").write_text(report("b", "in use"))
    answers = [json.loads(line) for line in reflect(folder, "b.json", "a.json").stdout.splitlines()]
    assert [(answer["job_id"], answer["action"]) for answer in answers] == [("b", "free_port"), ("a", "free_disk")]


def test_an_answer_outside_the_closed_set_is_an_error_and_no_action(folder: Path):
    done = reflect(folder, "-", stdin=report("j", "something else"))
    answer = json.loads(done.stdout)
    assert answer["action"] == "error"
    assert "dance" in answer["error"]


def test_arguments_are_in_the_line_and_those_out_of_bounds_are_an_error(folder: Path):
    lines = [report("j", "in use: 8080"), report("k", "in use: 70000"), report("l", "in use")]
    good, bad, bare = map(json.loads, reflect(folder, "-", stdin="\n".join(lines)).stdout.splitlines())
    assert (good["action"], good["arguments"]) == ("free_port", {"port": 8080})
    assert bad["action"] == "error"
    assert "70000" in bad["error"]
    assert "arguments" not in bad
    assert (bare["action"], "arguments" in bare) == ("free_port", False)


def test_a_bad_report_keeps_its_place_and_the_others_their_answers(folder: Path):
    done = reflect(folder, "-", stdin="\n".join(["{broken", report("j", "in use"), '{"job_id": "k"}']))
    assert [json.loads(line)["action"] for line in done.stdout.splitlines()] == ["error", "free_port", "error"]
    assert done.returncode == 2
    assert "<stdin>:1: not JSON" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_one_clean_message(folder: Path):
    done = reflect(folder, "nowhere.json")
    assert done.returncode == 2
    assert "nowhere.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_endpoint_is_the_environments_fault(folder: Path):
    done = reflect(folder, "--provider", "exec:/nowhere/at-all", "-", stdin=report("j", "in use"))
    assert json.loads(done.stdout)["action"] == "error"
    assert done.returncode == 4
    assert "/nowhere/at-all" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_python_provider_prints_is_no_answer(folder: Path):
    answer = "def call_api(p, o, c):\n    print('noise')\n    return {'output': '{\"action\": \"free_disk\"}'}\n"
    (folder / "loud.py").write_text(answer)
    done = reflect(folder, "-", "--provider", "file://loud.py", stdin=report("j", "no space left"))
    assert json.loads(done.stdout)["action"] == "free_disk"
    assert "noise" in done.stderr


def test_bytes_that_are_no_utf8_are_read_as_a_log_has_them(folder: Path):
    command = [sys.executable, "-m", "evolve.cli.reflect", "--agent", "FIXED.md", "-"]
    line = report("j", "no space left ?").encode().replace(b"?", b"\xff")
    done = subprocess.run(command, cwd=folder, input=line, capture_output=True, timeout=60, check=False)
    assert json.loads(done.stdout)["action"] == "free_disk", done.stderr


def test_a_report_nested_too_deep_is_no_crash(folder: Path):
    done = reflect(folder, "-", stdin="\n".join(["[" * 100_000, report("j", "in use")]))
    assert [json.loads(line)["action"] for line in done.stdout.splitlines()] == ["error", "free_port"]
    assert done.returncode == 2
    assert "nested too deeply" in done.stderr
