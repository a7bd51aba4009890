"""A suite's problems, all in one list: those of the file, of what it names, of providers and of code."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.evaluation.setup import Settings, load, runner_for
from evolve.store.answers import NoAnswers

EVERYTHING = """\
prompts: ["{{q}}", file://gone.txt, "{{ q | }}"]
providers:
  - opnai:chat:m
  - echo
  - {id: echo, transform: "output.("}
tests:
  - vars: {q: a}
    asert: []
    options: {transform: "output +"}
  - vars: {q: file://missing.txt}
  - {vars: {q: b}, assert: [{type: regex, value: "(b"}], provider: opnai:x}
  - file://more.yaml
  - file://nowhere.csv
  - {vars: {q: c}, options: {transformVars: "nothing.here"}}
defaultTets: {}
"""
MORE = """\
- {vars: {q: d}, options: {transform: "output.[0"}}
- {vars: {q: e}, treshold: 1, assert: [{type: javascript, value: "output.("}]}
"""


def problems_of(folder: Path, text: str, **files: str) -> list[str]:
    (folder / "suite.yaml").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        load(str(folder / "suite.yaml"), Settings(env={}))
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_every_kind_of_problem_is_in_one_list(tmp_path: Path) -> None:
    found = problems_of(tmp_path, EVERYTHING, more=MORE)
    expected = [
        "suite.yaml:1:20: prompts[1]: no such file: gone.txt",
        "suite.yaml:1:37: prompts[2]: template line 1:",
        "suite.yaml:3:5: providers[0]: unknown provider 'opnai:chat:m'",
        "suite.yaml:5:27: providers[2].transform: this transform does not parse",
        "suite.yaml:8:5: tests[0].asert: unknown key 'asert'",
        "suite.yaml:9:26: tests[0].options.transform: this transform does not parse",
        "suite.yaml:10:15: tests[1].vars.q: no such file: missing.txt",
        "suite.yaml:11:50: tests[2].assert[0].value: this JavaScript regular expression does not parse",
        "suite.yaml:11:68: tests[2].provider: unknown provider 'opnai:x'",
        "suite.yaml:13:5: tests[4]: no such file: nowhere.csv",
        "suite.yaml:14:45: tests[5].options.transformVars: the transform `nothing.here` failed",
        "suite.yaml:15:1: defaultTets: unknown key 'defaultTets'",
        "more.yaml:1:39: [0].options.transform: this transform does not parse",
        "more.yaml:2:18: [1].treshold: unknown key 'treshold'",
        "more.yaml:2:66: [1].assert[0].value: this JavaScript does not parse",
    ]
    assert [text[: len(start)] for text, start in zip(found, expected, strict=False)] == expected
    assert len(found) == len(expected), found[len(expected) :]


def test_an_unknown_key_names_the_option_that_ignores_it(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "prompts: [x]\nproviders: [echo]\ntests: [{vars: {a: b}}]\ndescripton: blue\n")
    assert problem.endswith("--unknown-keys warn ignores it)")


def test_a_failing_transform_of_the_default_test_is_reported_once(tmp_path: Path) -> None:
    text = """\
prompts: [x]
providers: [echo]
defaultTest: {options: {transformVars: "nothing.here"}}
tests: [{vars: {a: b}}, {vars: {a: c}}]
"""
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("suite.yaml:3:40: defaultTest.options.transformVars: the transform `nothing.here` failed")


RED_TEAM = """\
prompts: ["{{q}}"]
providers: [echo, "promptfoo:redteam:crescendo"]
redteam: {plugins: [harmful]}
tests:
  - {vars: {q: a}, assert: [{type: "promptfoo:redteam:policy"}, {type: "promptfoo:redteam:pii"}]}
"""


def test_a_red_team_configuration_is_refused_with_one_message(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, RED_TEAM)
    assert problem.endswith("(Anneal has no red teaming)")


def test_an_env_file_of_the_suite_sets_what_templates_and_providers_see(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("WHO=file\nBOTH=file\nWORLD=file\n")
    (tmp_path / "suite.yaml").write_text(
        "prompts: ['{{env.WHO}} {{env.BOTH}} {{env.WORLD}}']\nproviders: [echo]\nenv: {BOTH: config}\n"
        "commandLineOptions: {envPath: keys.env}\ntests: [{vars: {a: b}}]\n"
    )
    loaded = load(str(tmp_path / "suite.yaml"), Settings(env={"WORLD": "process"}))
    assert loaded.suite.prompts[0].raw == "file config file"
    assert loaded.suite.env == {"WHO": "file", "BOTH": "config", "WORLD": "file"}


def test_a_missing_env_file_is_a_problem_with_a_place(tmp_path: Path) -> None:
    text = "prompts: [x]\nproviders: [echo]\ntests: [{vars: {a: b}}]\nenvPath: gone.env\n"
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("suite.yaml:4:10: envPath: no such file: gone.env")


def test_a_programs_output_is_the_prompt(tmp_path: Path) -> None:
    program = tmp_path / "make.sh"
    program.write_text(
        '#!/bin/sh\nprintf "\\033[31mAsk %s in %s\\033[0m {{q}}" "$1" "$(basename "$PWD")"\necho "$2" > context.json\n'
    )
    program.chmod(0o755)
    (tmp_path / "suite.yaml").write_text(
        "prompts: ['exec:./make.sh now']\nproviders: [echo]\ntests: [{vars: {q: nicely}}]\n"
    )
    settings = Settings(env={**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path / "cache")}, use_cache=False)
    loaded = load(str(tmp_path / "suite.yaml"), settings)

    async def run() -> str:
        runner = runner_for(loaded, settings, NoAnswers())
        try:
            return (await runner.evaluate(loaded.evaluations[0])).prompt
        finally:
            await runner.close()

    assert asyncio.run(run()) == f"Ask now in {tmp_path.name} nicely"
    assert json.loads((tmp_path / "context.json").read_text())["vars"] == {"q": "nicely"}


def test_graders_with_wrong_ids_are_reported_at_their_places(tmp_path: Path) -> None:
    text = """\
prompts: [x]
providers: [echo]
defaultTest: {options: {provider: {text: opnai:a, embedding: "openai:embedding:e"}}}
tests:
  - assert: [{type: llm-rubric, value: kind}]
  - assert: [{type: similar, value: x, provider: opnai:b}, {type: contains, value: x, provider: opnai:ignored}]
  - assert: [{type: llm-rubric, value: kind, provider: echo}, {type: llm-rubric, value: a, provider: "{{ env.G }}"}]
  - assert: [{type: assert-set, assert: [{type: factuality, value: x, provider: {id: opnai:c}}]}]
"""
    found = problems_of(tmp_path, text)
    assert [re.sub(" ?[(].*", "", line) for line in found] == [
        "suite.yaml:5:5: tests[0].options.provider: unknown provider 'opnai:a'",
        "suite.yaml:6:50: tests[1].assert[0].provider: unknown provider 'opnai:b'",
        "suite.yaml:8:81: tests[3].assert[0].assert[0].provider: unknown provider 'opnai:c'",
    ]


def test_a_broken_reference_does_not_hide_other_problems(tmp_path: Path) -> None:
    text = """\
prompts: ["{{q}}"]
providers: [echo, opnai:x]
asserts: {yes: {type: contains, value: a}}
tests:
  - {vars: {q: a}, assert: [{$ref: "#/assertz/yes"}], asert: []}
  - {vars: {q: b}, assert: [{$ref: "#/asserts/no"}, {$ref: "#/asserts/yes"}]}
  - {vars: {q: c}, assert: [{$ref: "gone.yaml#/a"}, {type: regex, value: "(b"}]}
"""
    found = problems_of(tmp_path, text)
    starts = [
        "suite.yaml:2:19:",
        "suite.yaml:5:36:",
        "suite.yaml:5:55:",
        "suite.yaml:6:36:",
        "suite.yaml:7:36:",
        "suite.yaml:7:74:",
    ]
    assert [line.split(" ")[0] for line in found] == starts, found


def test_a_key_twice_and_an_unknown_tag_do_not_hide_other_problems(tmp_path: Path) -> None:
    text = "prompts: [x]\nproviders: [opnai:x]\ntests:\n  - {vars: {a: b, a: c}, asert: []}\n  - {vars: {d: !foo x}}\n"
    found = problems_of(tmp_path, text)
    assert [line.split(" ")[0] for line in found] == [
        "suite.yaml:2:13:", "suite.yaml:4:19:", "suite.yaml:4:26:", "suite.yaml:5:16:"
    ], found  # fmt: skip


def test_a_missing_file_of_a_var_explains_the_prefix_and_its_hint_works(tmp_path: Path) -> None:
    text = "prompts: ['{{q}}']\nproviders: [echo]\ntests: [{vars: {q: VALUE}}]\n"
    (problem,) = problems_of(tmp_path, text.replace("VALUE", "'file://etc'"))
    assert "write {{ 'file:' }}//..." in problem
    (tmp_path / "suite.yaml").write_text(text.replace("VALUE", "\"{{ 'file:' }}//etc\""))
    settings = Settings(env={"EVOLVE_CACHE_DIR": str(tmp_path / "cache")}, use_cache=False)
    loaded = load(str(tmp_path / "suite.yaml"), settings)

    async def run() -> str:
        runner = runner_for(loaded, settings, NoAnswers())
        try:
            return (await runner.evaluate(loaded.evaluations[0])).prompt
        finally:
            await runner.close()

    assert asyncio.run(run()) == "file://etc"
