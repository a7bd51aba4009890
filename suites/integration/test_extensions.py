"""`extensions`: hooks in Python and JavaScript that see and change suites and tests, as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = """
import json

def hook(name, context):
    with open("calls.jsonl", "a", encoding="utf-8") as calls:
        calls.write(json.dumps([name, sorted(context), context.get("result", {}).get("success")]) + "\\n")
    if name == "beforeAll":
        suite = context["suite"]
        suite["tests"].append({"vars": {"q": "added"}, "assert": [{"type": "contains", "value": "added"}]})
        suite["prompts"].append("Second {{q}}")
        suite["defaultTest"] = {"assert": [{"type": "contains", "value": "{{q}}"}]}
    if name == "beforeEach":
        context["test"]["vars"]["q"] += "!"
    return context
"""
JAVASCRIPT = """
const fs = require('fs');
let count = 0;
module.exports = async (name, context) => {
  const result = context.result ? context.result.success : null;
  fs.appendFileSync('calls.jsonl', JSON.stringify([name, Object.keys(context).sort(), result]) + '\\n');
  if (name === 'beforeAll') {
    context.suite.tests.push({vars: {q: 'added'}, assert: [{type: 'contains', value: 'added'}]});
    context.suite.prompts.push({raw: 'Second {{q}}', label: 'second'});
    context.suite.defaultTest.assert = [{type: 'contains', value: '{{q}}'}];
  }
  if (name === 'beforeEach') context.test.vars.q += '!';
  if (name === 'afterAll') fs.writeFileSync('count.json', String(context.results.length + count));
  count += name === 'afterEach' ? 100 : 0;
};
"""
SUITE = "prompts: ['First {{q}}']\nproviders: [echo]\ntests: [{vars: {q: own}}]\nextensions: ['file://%s']\n"


def run(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "EVOLVE_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)


def written(folder: Path, name: str, text: str, function: str = "") -> None:
    (folder / name).write_text(text)
    (folder / "suite.yaml").write_text(SUITE % (name + function))
    (folder / "pytest.ini").write_text("[pytest]\nsuite_files = suite.yaml\n")


def calls(folder: Path) -> list[Any]:
    path = folder / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


ALL = [
    ["beforeAll", ["suite"], None],
    *[["beforeEach", ["test"], None]] * 4,
    *[["afterEach", ["result", "test"], True]] * 4,
    ["afterAll", ["prompts", "results", "suite"], None],
]


@pytest.mark.parametrize(
    ("name", "text", "function"), [("hooks.py", PYTHON, ":hook"), ("hooks.js", JAVASCRIPT, "")], ids=["python", "js"]
)
def test_hooks_see_and_change_the_suite_and_its_tests(tmp_path: Path, name: str, text: str, function: str) -> None:
    written(tmp_path, name, text, function)
    done = run(tmp_path, "evolve", "run", "suite.yaml", "-o", "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "out.json").read_text())["results"]["results"]
    outputs = sorted(row["response"]["output"] for row in rows)
    assert outputs == ["First added!", "First own!", "Second added!", "Second own!"]
    assert all(len(row["gradingResult"]["componentResults"]) >= 1 for row in rows)
    made = calls(tmp_path)
    assert made[0] == ALL[0]
    assert made[-1] == ALL[-1]
    assert sorted(map(str, made)) == sorted(map(str, ALL))


def test_javascript_keeps_its_state_from_the_first_hook_to_the_last(tmp_path: Path) -> None:
    written(tmp_path, "hooks.js", JAVASCRIPT)
    assert run(tmp_path, "evolve", "run", "suite.yaml").returncode == 0
    assert (tmp_path / "count.json").read_text() == "404"


def test_hooks_run_under_pytest_and_added_tests_are_items(tmp_path: Path) -> None:
    written(tmp_path, "hooks.js", JAVASCRIPT)
    listed = run(tmp_path, "pytest", "-q", "--collect-only", "-p", "no:cacheprovider")
    assert listed.returncode == 0
    assert calls(tmp_path) == []
    done = run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider")
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert sorted(map(str, calls(tmp_path))) == sorted(map(str, ALL))


def test_check_calls_no_hook_and_reports_what_cannot_be_called(tmp_path: Path) -> None:
    written(tmp_path, "hooks.py", PYTHON, ":hook")
    assert run(tmp_path, "evolve", "check", "suite.yaml").returncode == 0
    assert calls(tmp_path) == []
    written(tmp_path, "hooks.py", PYTHON, ":hok")
    done = run(tmp_path, "evolve", "check", "suite.yaml")
    assert done.returncode == 2
    assert "there is no function 'hok' (did you mean 'hook'?)" in done.stdout
    (tmp_path / "suite.yaml").write_text(SUITE % "none.js")
    assert "suite.yaml:4:14: extensions[0]: no such file: none.js" in run(tmp_path, "evolve", "check", ".").stdout


def test_a_suite_whose_tests_a_hook_makes_is_no_problem(tmp_path: Path) -> None:
    written(tmp_path, "hooks.py", PYTHON, ":hook")
    (tmp_path / "suite.yaml").write_text((SUITE % "hooks.py:hook").replace("[{vars: {q: own}}]", "[]"))
    assert run(tmp_path, "evolve", "check", "suite.yaml").returncode == 0
    done = run(tmp_path, "evolve", "run", "suite.yaml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(calls(tmp_path)) == 6


def test_a_function_with_the_name_of_a_hook_is_called_for_it_alone(tmp_path: Path) -> None:
    text = "def beforeEach(context, about):\n    assert about == {'hookName': 'beforeEach'}\n"
    text += "    context['test']['vars']['q'] = 'changed'\n    return context\n"
    written(tmp_path, "hooks.py", text, ":beforeEach")
    done = run(tmp_path, "evolve", "run", "suite.yaml", "-o", "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads((tmp_path / "out.json").read_text())["results"]["results"]
    assert row["response"]["output"] == "First changed"


@pytest.mark.parametrize(
    ("hook", "code", "said"),
    [
        ("beforeAll", 2, "suite.yaml:4:13: extensions: the hook beforeAll of file://hooks.py:hook failed"),
        ("beforeEach", 1, "the hook beforeEach of file://hooks.py:hook failed: ValueError: no pump"),
        ("afterEach", 1, "the hook afterEach of file://hooks.py:hook failed: ValueError: no pump"),
        ("afterAll", 0, "warning: the hook afterAll of file://hooks.py:hook failed: ValueError: no pump"),
    ],
)
def test_a_hook_that_fails_is_named(tmp_path: Path, hook: str, code: int, said: str) -> None:
    text = f"def hook(name, context):\n    if name == {hook!r}:\n        raise ValueError('no pump')\n"
    written(tmp_path, "hooks.py", text, ":hook")
    done = run(tmp_path, "evolve", "run", "suite.yaml")
    assert done.returncode == code, done.stdout + done.stderr
    assert said in " ".join((done.stdout + done.stderr).split())


def test_what_a_hook_makes_is_checked_like_the_suite(tmp_path: Path) -> None:
    text = "def hook(name, context):\n    if name == 'beforeAll':\n"
    text += "        context['suite']['tests'].append({'vars': {}, 'asert': []})\n    return context\n"
    written(tmp_path, "hooks.py", text, ":hook")
    done = run(tmp_path, "evolve", "run", "suite.yaml")
    assert done.returncode == 2
    assert "the suite that beforeAll returned: [0].asert: unknown key" in done.stderr


SCENARIOS = """\
prompts: ['{{lang}}: {{q}}']
providers: [echo]
tests: [{vars: {lang: own, q: x}}]
scenarios:
  - description: languages
    config:
      - vars: {lang: fr}
      - vars: {lang: de}
    tests: [{vars: {q: a}, assert: [{type: contains, value: a}]}, 'file://more.yaml']
  - config: [{vars: {lang: alone, q: y}}]
extensions: ['file://%s']
"""
SEES_SCENARIOS = {
    "hooks.py": """
import json

def hook(name, context):
    if name == "beforeAll":
        suite = context["suite"]
        with open("seen.json", "w", encoding="utf-8") as seen:
            json.dump([suite["tests"], suite["scenarios"]], seen)
        suite["scenarios"][0]["config"].append({"vars": {"lang": "it"}})
        suite["scenarios"].append({"config": [{"vars": {"lang": "es", "q": "z"}}]})
    return context
""",
    "hooks.cjs": """
const fs = require('fs');
module.exports = (name, context) => {
  if (name !== 'beforeAll') return;
  const {tests, scenarios} = context.suite;
  fs.writeFileSync('seen.json', JSON.stringify([tests, scenarios]));
  scenarios[0].config.push({vars: {lang: 'it'}});
  scenarios.push({config: [{vars: {lang: 'es', q: 'z'}}]});
};
""",
}


@pytest.mark.parametrize("name", SEES_SCENARIOS)
def test_before_all_sees_scenarios_with_their_tests_and_may_change_them(tmp_path: Path, name: str) -> None:
    written(tmp_path, name, SEES_SCENARIOS[name])
    (tmp_path / "suite.yaml").write_text(SCENARIOS % (name + (":hook" if name.endswith(".py") else "")))
    (tmp_path / "more.yaml").write_text("- vars: {q: b}\n")
    done = run(tmp_path, "evolve", "run", "suite.yaml", "-o", "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    tests, scenarios = json.loads((tmp_path / "seen.json").read_text())
    assert tests == [{"vars": {"lang": "own", "q": "x"}}]
    assert scenarios == [
        {
            "description": "languages",
            "config": [{"vars": {"lang": "fr"}}, {"vars": {"lang": "de"}}],
            "tests": [{"vars": {"q": "a"}, "assert": [{"type": "contains", "value": "a"}]}, {"vars": {"q": "b"}}],
        },
        {"config": [{"vars": {"lang": "alone", "q": "y"}}], "tests": []},
    ]
    rows = json.loads((tmp_path / "out.json").read_text())["results"]["results"]
    outputs = [row["response"]["output"] for row in rows]
    languages = [f"{lang}: {q}" for lang in ("fr", "de", "it") for q in "ab"]
    assert outputs == ["own: x", *languages, "alone: y", "es: z"]


def test_a_scenario_that_before_all_made_is_checked_like_the_suite(tmp_path: Path) -> None:
    text = "def hook(name, context):\n    if name == 'beforeAll':\n"
    text += "        context['suite']['scenarios'] = [{'config': [{'vars': {}, 'asert': []}]}]\n    return context\n"
    written(tmp_path, "hooks.py", text, ":hook")
    done = run(tmp_path, "evolve", "run", "suite.yaml")
    assert done.returncode == 2
    assert "the suite that beforeAll returned: scenarios[0].config[0].asert: unknown key 'asert'" in done.stderr
