"""`evolve check`: every problem of all suites, as a process; nothing is asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.__main__ import main

GOOD = "prompts: ['{{q}}']\nproviders: ['python:model.py']\ntests: [{vars: {q: a}}, {vars: {q: b}}]\n"
BAD = "prompts: ['{{q}}', file://gone.txt]\nproviders: [opnai:x]\ntests: [{vars: {q: a}, asert: []}]\n"
MODEL = "import pathlib\n\ndef call_api(p, o, c):\n    pathlib.Path('asked').touch()\n    return {'output': p}\n"


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evolve", "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_suites_without_problems_exit_0_and_nothing_is_asked(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "model.py").write_text(MODEL)
    done = check(tmp_path, "good.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 suite: all can run (2 questions)"
    assert not (tmp_path / "asked").exists()


def test_every_problem_of_every_suite_of_a_folder_is_listed(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "one.yaml").write_text(BAD)
    (tmp_path / "two.yaml").write_text("prompts: [x]\nproviders: [echo]\ntests: [{vars: {q: a}}\n")
    done = check(tmp_path, ".")
    assert done.returncode == 2
    starts = ["one.yaml:1:20: prompts[1]", "one.yaml:2:13: providers[0]", "one.yaml:3:24: tests[0].asert"]
    lines = [line.removeprefix("./") for line in done.stdout.splitlines() if not line.startswith("warning: ")]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=False)] == [True] * 3, lines
    assert lines[-1] == "3 suites: 1 can run, 2 cannot (4 problems)"


def test_json_has_places_and_hints(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(BAD)
    done = check(tmp_path, "one.yaml", "--json")
    assert done.returncode == 2
    result = json.loads(done.stdout)
    (suite,) = result["suites"]
    assert (suite["can_run"], result["problems"]) == (False, 3)
    first = suite["problems"][0]
    assert (first["file"], first["line"], first["column"], first["path"]) == ("one.yaml", 1, 20, "prompts[1]")


def test_a_missing_key_is_a_warning_because_the_file_is_right(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("prompts: [x]\nproviders: ['groq:llama']\ntests: [{vars: {q: a}}]\n")
    done = check(tmp_path, "s.yaml")
    assert done.returncode == 0, done.stdout
    assert "GROQ_API_KEY" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 suite: no problems; on this machine 1 cannot run")


PACKAGES = {
    "python provider": ("python:code.py", "[{vars: {q: a}}]", "code.py", "import no_such_package\n"),
    "python tests": ("echo", "file://code.py", "code.py", "from no_such_package.part import one\n"),
    "node provider": ("file://code.cjs", "[{vars: {q: a}}]", "code.cjs", "require('no-such-package')\n"),
    "node assertion": (
        "echo",
        "[{vars: {q: a}, assert: [{type: javascript, value: 'file://code.mjs'}]}]",
        "code.mjs",
        "import no from 'no-such-package'\n",
    ),
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_package_that_is_not_installed_is_a_warning_here_and_stops_a_run(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    provider, tests, name, code = PACKAGES[kind]
    Path("s.yaml").write_text(f"prompts: ['{{{{q}}}}']\nproviders: ['{provider}']\ntests: {tests}\n")
    Path(name).write_text(code)
    assert main(["check", "s.yaml"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("warning: ")
    assert f"{name}:1" in first
    assert "no_such_package" in first.replace("-", "_")
    assert last.startswith("1 suite: no problems; on this machine 1 cannot run")
    assert main(["check", "s.yaml", "--json"]) == 0
    (suite,) = json.loads(capsys.readouterr().out)["suites"]
    assert (suite["problems"], suite["warnings"], len(suite["missing"])) == ([], [], 1)
    assert main(["run", "s.yaml"]) == 2
    assert "no_such_package" in capsys.readouterr().err.replace("-", "_")


@pytest.mark.parametrize("code", ["import json.no_such_module\n", "import code_of_mine\nimport nothing.at_all.\n"])
def test_a_wrong_import_of_what_is_there_is_a_problem(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("prompts: [x]\nproviders: ['python:model.py']\ntests: [{vars: {q: a}}]\n")
    Path("model.py").write_text(code)
    assert main(["check", "s.yaml"]) == 2


def test_what_is_missing_hides_no_problem_and_is_hidden_by_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("prompts: [x]\nproviders: ['python:model.py', opnai:m]\ntests: [{vars: {q: a}}]\n")
    Path("model.py").write_text("import no_such_package\n")
    assert main(["check", "s.yaml"]) == 2
    out = capsys.readouterr().out
    assert "no_such_package" in out
    assert "opnai:m" in out


def test_a_misspelt_key_and_a_wrong_assertion_hide_no_other_problem_of_their_test(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(
        "prompts: ['{{x}}']\n"
        "providers: [echo]\n"
        "tests:\n"
        "  - vars: {x: 'file://missing.txt'}\n"
        "    asert: []\n"
        "    assert: [{type: contians, value: 1}, {type: regex, value: '('}]\n"
    )
    assert main(["check", "s.yaml"]) == 2
    found = [line.split(" (")[0].split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert found[:3] == [
        "tests[0].vars.x: no such file: missing.txt",
        "tests[0].asert: unknown key 'asert'",
        "tests[0].assert[0].type: unknown assertion type 'contians'",
    ]
    assert found[3].startswith("tests[0].assert[1].value: ")


def test_a_suite_with_problems_shows_its_warnings_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("prompts: [{text: 'Say {{x}}'}]\nproviders: [echo]\ntests: [{vars: {x: a}}]\n")
    assert main(["check", "s.yaml"]) == 2
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == "warning: s.yaml:1:12: prompts[0].text: unknown key 'text', which is ignored"
    assert second.startswith("s.yaml:1:11: prompts[0]: a prompt needs text")


def test_wrong_evidence_of_any_model_is_a_problem(tmp_path: Path) -> None:
    suite = "prompts: ['{{q}}']\nproviders: [echo]\ndefaultTest: {metadata: {evidence: AGENT.md}}\n"
    (tmp_path / "echoed.yaml").write_text(f"{suite}tests: [{{vars: {{q: a}}}}]\n")
    evidence = "{models: {other: {splits: {val: {cases: 1}}}}}"
    (tmp_path / "AGENT.md").write_text(f"---\nmodel: echo\nevidence: {evidence}\n---\n")
    done = check(tmp_path, "echoed.yaml")
    assert done.returncode == 2, done.stderr
    assert "AGENT.md: evidence: models: other: splits.val: expected cases (a whole number) and accuracy" in done.stdout
