"""JavaScript and TypeScript in Node: what runs, and what is refused before it runs."""

import asyncio
import os

import pytest

from evolve.core.javascript.engine import JavaScriptError
from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.extras import install_command
from evolve.core.model.node_calls import NodeCall, code_call, file_call, provider_call
from evolve.store.node_scripts import NodeScripts
from evolve.system import node_program


@pytest.fixture
def node():
    made = NodeScripts()
    yield made
    made.close()


def _written(folder, **texts):
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


def test_typescript_runs_and_imports_its_neighbours_without_suffix(tmp_path, node):
    _written(
        tmp_path,
        a__ts="import { two } from './b';\nimport type { X } from './types';\n"
        "export default (x: number): number => x + two;\n"
        "export async function named(x: number) { return { got: x } as const; }\n",
        b__ts="import { sep } from 'node:path';\nexport const two: number = 1 + sep.length;\n",
    )
    path = str(tmp_path / "a.ts")
    assert node.problems(path) == ()
    assert node.result_now(file_call(path, None, [3])).value == 5
    assert asyncio.run(node.result(file_call(path, "named", [3]))).value == {"got": 3}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.ts", "const a = 1;\nexport enum Colour { Red }\n", "a.ts:2:8: TypeScript enum is not supported"),
        ("a.ts", "export namespace N { export const x = 1 }\n", "a.ts:1:8: TypeScript namespace"),
        ("a.mts", "class A { constructor(private x: number) {} }\n", "a.mts:1:31: TypeScript parameter property"),
        ("a.cts", "const x: number = ;\n", "a.cts:1:19: not TypeScript: "),
        ("a.mjs", "export default 1;\nconst = 2;\n", "a.mjs:2:7: not JavaScript: Unexpected token"),
        ("a.cjs", "\nmodule.exports = );\n", "a.cjs:2:18: not JavaScript: Unexpected token"),
        (
            "a.js",
            "import x from 'left-pad';\nexport default x;\n",
            "a.js:1:15: the package 'left-pad' is not installed",
        ),
        ("a.js", "\nconst x = require('@scope/one/two');\n", "a.js:2:19: the package '@scope/one' is not installed"),
        ("a.ts", "import x from './none';\nexport default x;\n", "a.ts:1:15: no such file: ./none"),
        ("a.js", "const x = require('./none.js');\n", "a.js:1:19: no such file: ./none.js"),
    ],
)
def test_problems_have_file_line_and_column_and_nothing_runs(tmp_path, node, name, text, message):
    proof = tmp_path / "ran"
    effect = f"\nprocess.getBuiltinModule('fs').writeFileSync({str(proof)!r}, '');\n"
    (tmp_path / name).write_text(text + effect)
    problems = node.problems(str(tmp_path / name))
    assert [str(problem).partition(str(tmp_path) + "/")[2][: len(message)] for problem in problems] == [message]
    with pytest.raises(InputError):
        node.result_now(file_call(str(tmp_path / name), None, []))
    assert not proof.exists()


def test_a_missing_package_has_the_command_for_its_own_folder(tmp_path, node):
    _written(
        tmp_path, a__js="require('openai/resources'); require('zod');", package__json='{"dependencies": {"zod": "1"}}'
    )
    hints = {problem.message: problem.hint for problem in node.problems(str(tmp_path / "a.js"))}
    assert hints == {
        "the package 'openai' is not installed": f"type: cd {tmp_path} && npm install openai",
        "the package 'zod' is not installed": f"type: cd {tmp_path} && npm install",
    }


def test_packages_that_are_there_or_may_be_missing_are_no_problem(tmp_path, node):
    package = tmp_path / "node_modules" / "esm-only"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "esm-only", "type": "module", "exports": {"import": "./i.js"}}')
    (package / "i.js").write_text("export default 7;")
    _written(
        tmp_path,
        a__mjs="import seven from 'esm-only';\nexport default () => seven;\n",
        b__cjs="let found; try { found = require('optional'); } catch { found = 'none'; }\n"
        "// require('in-a-comment')\nmodule.exports = () => found + \"require('in-a-text')\".length;\n",
    )
    assert node.result_now(file_call(str(tmp_path / "a.mjs"), None, [])).value == 7
    assert node.result_now(file_call(str(tmp_path / "b.cjs"), None, [])).value == "none20"


def test_without_node_the_problem_has_the_command_that_installs_one(tmp_path, monkeypatch):
    monkeypatch.setattr(node_program, "_WHEEL", "no_such_wheel_here")
    _written(tmp_path, a__ts="export default 1;")
    (problem,) = NodeScripts({"PATH": str(tmp_path)}).problems(str(tmp_path / "a.ts"))
    assert problem.message == "this file cannot run: Node.js 22.18 or newer is needed, and there is none here"
    assert install_command("node") in problem.hint
    assert problem.where is not None


def test_what_threw_has_the_line_of_the_users_file(tmp_path, node):
    _written(tmp_path, a__ts="type A = string;\n\nexport default (x: A) => { throw new TypeError('no ' + x); };\n")
    with pytest.raises(JavaScriptError, match=r"TypeError: no tea \(.*a\.ts:3\)"):
        node.result_now(file_call(str(tmp_path / "a.ts"), None, ["tea"]))


def test_a_missing_export_names_those_that_are_there(tmp_path, node):
    _written(tmp_path, a__cjs="module.exports = { one: () => 1, two: () => 2 };")
    with pytest.raises(CannotEvaluate, match="exports no three; it exports one, two"):
        node.result_now(file_call(str(tmp_path / "a.cjs"), "three", []))


def test_after_a_time_out_node_is_started_again(node):
    endless = NodeCall("run", "inline code", code_call("for (;;);", {}, "/tmp").fields, time_limit_s=0.2)
    with pytest.raises(CannotEvaluate, match=r"longer than 0\.2 s and was stopped"):
        asyncio.run(node.result(endless))
    assert node.result_now(code_call("return 1 + x", {"x": 2}, "/tmp")).value == 3


def test_a_provider_is_one_object_for_all_its_calls(tmp_path, node):
    _written(
        tmp_path,
        p__mts="export default class {\n  count = 0;\n  options: any;\n"
        "  constructor(options: any) { this.options = options; }\n  id() { return 'mine'; }\n"
        "  async callApi(prompt: string, context: any) {\n"
        "    return { output: `${this.id()} ${this.options.config.x} ${prompt} ${context.vars.v} ${++this.count}` };\n"
        "  }\n}\n",
    )
    for count, x in ((1, 5), (2, 5), (1, 6)):
        options = {"id": "file://p.mts", "config": {"x": x}}
        call = provider_call(str(tmp_path / "p.mts"), None, options, "callApi", ["hi", {"vars": {"v": 1}}], 30.0)
        assert node.result_now(call).value == {"output": f"mine {x} hi 1 {count}"}


def test_the_environment_is_the_suites_also_when_it_changes(tmp_path):
    node = NodeScripts({"PATH": os.environ["PATH"], "A": "1"})
    call = code_call("return [process.env.A, process.env.B ?? null]", {}, str(tmp_path))
    assert node.result_now(call).value == ["1", None]
    node.use_env({"PATH": os.environ["PATH"], "B": "2"})
    assert node.result_now(call).value == [None, "2"]
    node.close()


def test_inline_code_requires_modules_of_its_folder_in_promptfoos_way(tmp_path, node):
    _written(tmp_path, a__cjs="module.exports = 'mine';")
    body = "const load = process.mainModule.require;\n"
    body += "return load('path').sep + load('./a.cjs') + (await import('os')).EOL + typeof require"
    assert node.result_now(code_call(body, {}, str(tmp_path))).value == "/mine\nundefined"


def test_missing_packages_of_inline_code_are_found(tmp_path, node):
    (problem,) = node.code_problems("return process.mainModule.require('lodash').max(output)", str(tmp_path), None)
    assert str(problem) == f"the package 'lodash' is not installed (type: cd {tmp_path} && npm install lodash)"
