"""Suites with TypeScript and Node's modules in every place that takes code, as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
prompts: [file://prompt.ts]
providers:
  - id: file://provider.ts
    config: {mark: "!"}
    transform: file://trim.mjs
tests:
  - file://more.mts
  - vars: {q: file://var.cjs}
    options: {transform: "process.mainModule.require('path').basename(output)", transformVars: file://vars.ts}
    assert:
      - {type: javascript, value: file://judge.ts:isGood, config: {end: "!"}}
      - {type: javascript, value: "process.platform.length > 0 && output.endsWith('!')"}
      - {type: equals, value: file://expected.ts}
"""
FILES = {
    "prompt.ts": "import { ask } from './words';\n"
    "export default ({ vars }: { vars: Record<string, string> }): string => `${ask} ${vars.q}`;\n",
    "words.ts": "export const ask: string = 'Tell';\n",
    "provider.ts": "import os from 'node:os';\n"
    "export default class {\n  config: { mark: string };\n"
    "  constructor(options: { config: { mark: string } }) { this.config = options.config; }\n"
    "  id(): string { return 'mine'; }\n"
    "  async callApi(prompt: string) {\n    console.log('asked');\n"
    "    return { output: ` x/${prompt}${this.config.mark}${os.EOL}` };\n  }\n"
    "}\n",
    "trim.mjs": "import { types } from 'node:util';\n"
    "export default (output) => (types.isDate(output) ? '' : output.trim());\n",
    "more.mts": "const tests: unknown[] = [{ vars: { q: 'me' }, assert: [{ type: 'contains', value: 'Tell me' }] }];\n"
    "export default async () => tests;\n",
    "var.cjs": "const { sep } = require('path');\nmodule.exports = (name) => ({ output: name + sep + 'why' });\n",
    "vars.ts": "export default (vars: object) => ({ ...vars, seen: typeof process });\n",
    "judge.ts": "import { strict as assert } from 'node:assert';\n"
    "export function isGood(output: string, context: any) {\n"
    "  assert.equal(context.vars.seen, 'object');\n"
    "  return { pass: output.endsWith(context.config.end), score: 1, reason: 'ok' };\n}\n",
    "expected.ts": "export default () => 'why!';\n",
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nsuite_files = suite.yaml\n")
    return tmp_path


def evolve(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "evolve", *arguments, **env)


def run(folder: Path, module: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    full = {**os.environ, "EVOLVE_CACHE_DIR": str(folder / "cache"), **env}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=full)


def test_every_place_of_a_suite_takes_typescript_and_nodes_modules(suite: Path) -> None:
    done = evolve(suite, "run", "suite.yaml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asked" not in done.stdout
    assert "asked" in done.stderr
    json.loads(done.stdout)


def test_the_same_suite_runs_as_items_of_pytest(suite: Path) -> None:
    done = run(suite, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_problems_of_all_files_come_in_one_list_with_those_of_the_suite(suite: Path) -> None:
    (suite / "provider.ts").write_text("import OpenAI from 'openai';\nexport default class {}\n")
    (suite / "words.ts").write_text("export enum Word { Ask }\n")
    (suite / "judge.ts").write_text("export const isGood = (: number) => true;\n")
    (suite / "suite.yaml").write_text(
        SUITE.replace("process.platform", "process.mainModule.require('lodash')") + "asert: []\n"
    )
    done = evolve(suite, "check", "suite.yaml")
    assert done.returncode == 2
    starts = (
        "provider.ts:1:20: the package 'openai' is not installed",
        "words.ts:1:8: TypeScript enum is not supported",
        "judge.ts:1:24: not TypeScript: ",
        "suite.yaml:13:35: tests[1].assert[1].value: the package 'lodash' is not installed",
        "suite.yaml:15:1: asert",
    )
    for start in starts:
        lines = [line.removeprefix("warning: ") for line in done.stdout.splitlines()]
        assert any(line.startswith(start) for line in lines), (start, done.stdout)


def test_graders_and_scoring_are_checked_before_the_model_is_asked_and_programs_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "prompt.js").write_text("console.log('hi'); require('no-such-package');\n")
    (tmp_path / "grader.ts").write_text("import x from 'no-grader';\nexport default class { callApi() {} }\n")
    (tmp_path / "score.js").write_text("const x = require('no-score');\nmodule.exports = () => ({ pass: true });\n")
    (tmp_path / "suite.yaml").write_text(
        "prompts: ['exec:node prompt.js']\nproviders: [echo]\ntests:\n"
        "  - vars: {q: a}\n    assertScoringFunction: file://score.js\n"
        "    assert: [{type: llm-rubric, value: good, provider: {text: {id: 'file://grader.ts'}}}]\n"
    )
    done = evolve(tmp_path, "check", "suite.yaml")
    assert done.returncode == 0
    assert "warning: grader.ts:1:15: the package 'no-grader'" in done.stdout
    assert "warning: score.js:1:19: the package 'no-score'" in done.stdout
    assert "on this machine 1 cannot run" in done.stdout
    assert evolve(tmp_path, "run", "suite.yaml").returncode == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "p.ts",
            "export default ({ vars }: any) =>\n"
            "  vars._conversation.map((x: any) => x.output + '|').join('') + vars.q;",
        ),
        ("p.js", "module.exports = ({vars}) => vars._conversation.map((x) => x.output + '|').join('') + vars.q;"),
        (
            "p.py:make",
            "def make(context):\n    given = context['vars']\n"
            "    return ''.join(x['output'] + '|' for x in given['_conversation']) + given['q']\n",
        ),
    ],
    ids=["typescript", "javascript", "python"],
)
def test_prompt_functions_get_the_conversation_so_far(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name.partition(":")[0]).write_text(text)
    test = "{vars: {q: %s}, assert: [{type: equals, value: '%s'}]}"
    tests = [test % ("a", "a"), test % ("b", "a|b"), test % ("c", "a|a|b|c")]
    suite = f"prompts: ['file://{name}']\nproviders: [echo]\ntests: [{', '.join(tests)}]\n"
    (tmp_path / "suite.yaml").write_text(suite)
    done = evolve(tmp_path, "run", "suite.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_named_node_that_is_none_is_a_problem_at_load(suite: Path) -> None:
    done = evolve(suite, "run", "suite.yaml", EVOLVE_NODE="/bin/false")
    assert done.returncode == 2
    assert "EVOLVE_NODE=/bin/false is no Node.js" in done.stderr


def test_doctor_names_node(tmp_path: Path) -> None:
    assert "Node.js for TypeScript and npm packages: " in evolve(tmp_path, "doctor").stdout
