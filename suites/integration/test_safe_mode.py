"""--safe refuses what a stranger's suite would run or call, before anything runs."""

from pathlib import Path

import pytest

from evolve.__main__ import main

BASE = "prompts: ['say {{x}}']\nproviders: [echo]\ntests: [{vars: {x: a}, assert: [{type: contains, value: a}]}]\n"
TOUCH = "import pathlib\npathlib.Path('touched').touch()\n"


def with_test(text: str) -> str:
    return f"prompts: ['say {{{{x}}}}']\nproviders: [echo]\ntests: [{text}]\n"


def with_provider(text: str) -> str:
    return BASE.replace("[echo]", f"[{text}]")


UNSAFE = {
    "exec provider": with_provider("'exec:touch touched'"),
    "exec provider with simulated tools": with_provider("'turns:exec:touch touched'"),
    "python provider with simulated tools": with_provider("'turns:python:evil.py'"),
    "http provider with simulated tools": with_provider("{id: 'turns:http', config: {url: 'http://127.0.0.1:9/'}}"),
    "program twice in a conversation": with_provider("'turns:turns:exec:touch touched'"),
    "python provider": with_provider("'python:evil.py'"),
    "python file as provider": with_provider("'file://evil.py'"),
    "javascript file as provider": with_provider("'file://evil.js'"),
    "javascript file without a prefix": with_provider("evil.js"),
    "typescript file without a prefix": with_provider("./evil.tsx"),
    "http provider": with_provider("{id: http, config: {url: 'http://127.0.0.1:9/', body: {a: 1}}}"),
    "address that would get the key": with_provider(
        "{id: 'openai:chat:x', config: {apiBaseUrl: 'http://127.0.0.1:9/v1'}}"
    ),
    "pool of addresses": with_provider("'pool:http://127.0.0.1:9/v1'"),
    "pool of a service": with_provider("'pool:consul:somewhere'"),
    "addresses of a pool": with_provider("{id: 'pool:x', config: {urls: ['http://127.0.0.1:9/v1']}}"),
    "python prompt": BASE.replace("['say {{x}}']", "['file://evil.py:prompt']"),
    "program as prompt": BASE.replace("['say {{x}}']", "['exec:touch touched']"),
    "python generator": "prompts: ['say {{x}}']\nproviders: [echo]\ntests: 'file://evil.py:make'\n",
    "python assertion": with_test("{vars: {x: a}, assert: [{type: python, value: 'True'}]}"),
    "python file in an assertion": with_test("{vars: {x: a}, assert: [{type: python, value: 'file://evil.py'}]}"),
    "javascript file in an assertion": with_test(
        "{vars: {x: a}, assert: [{type: javascript, value: 'file://evil.js'}]}"
    ),
    "inline javascript that needs node": with_test(
        "{vars: {x: a}, assert: [{type: javascript, "
        "value: \"process.mainModule.require('node:fs').writeFileSync('touched', '')\"}]}"
    ),
    "typescript provider": with_provider("'file://evil.ts'"),
    "python hooks": BASE + "extensions: ['file://evil.py:hook']\n",
    "javascript hooks": BASE + "extensions: ['file://evil.js:hook']\n",
    "assertion in a set": with_test(
        "{vars: {x: a}, assert: [{type: assert-set, assert: [{type: webhook, value: 'http://127.0.0.1:9/'}]}]}"
    ),
    "code of vars": with_test("{vars: {x: 'file://evil.py'}}"),
    "transform": with_test("{vars: {x: a}, options: {transform: 'file://evil.py:t'}}"),
    "transformVars": with_test("{vars: {x: a}, options: {transformVars: 'file://evil.py:t'}}"),
    "grader": with_test("{vars: {x: a}, assert: [{type: llm-rubric, value: ok, provider: 'exec:touch touched'}]}"),
    "provider of a test with simulated tools": with_test("{vars: {x: a}, provider: 'turns:exec:touch touched'}"),
    "provider of a test": with_test("{vars: {x: a}, provider: 'exec:touch touched'}"),
    "prompt from the web": BASE.replace("['say {{x}}']", "['https://127.0.0.1:9/p.txt']"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    functions = "def prompt(*_): return 'x'\ndef make(): return []\ndef t(*_): return {}\n"
    (tmp_path / "evil.py").write_text(TOUCH + functions, encoding="utf-8")
    (tmp_path / "evil.js").write_text("module.exports = () => true;\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("name", UNSAFE)
def test_what_would_run_or_call_is_refused_before_anything_runs(
    folder: Path, name: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "s.yaml").write_text(UNSAFE[name], encoding="utf-8")
    assert main([command, "s.yaml", "--safe"]) == 2
    said = capsys.readouterr()
    assert "--safe" in said.out + said.err
    assert not (folder / "touched").exists()


def test_a_suite_of_prompts_and_plain_assertions_runs(folder: Path) -> None:
    text = BASE.replace("value: a}", "value: a}, {type: javascript, value: 'output.length > 0'}")
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    assert main(["run", "s.yaml", "--safe", "-q"]) == 0


def test_all_refused_parts_are_reported_together_with_their_places(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = with_test("{vars: {x: a}, assert: [{type: python, value: 'True'}]}").replace("[echo]", "['exec:true']")
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    assert main(["run", "s.yaml", "--safe"]) == 2
    said = capsys.readouterr().err
    assert "s.yaml:2:13: providers[0]: --safe: the provider 'exec:true'" in said
    assert "tests[0].assert[0]: --safe: the assertion python" in said
