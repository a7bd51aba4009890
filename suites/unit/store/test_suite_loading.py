"""Suites from disk: prompts, providers and tests from every kind of file, and what is refused about files."""

import json
import os
import time
from pathlib import Path

import pytest

from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.suite import Assertion, AssertSet, ScriptRef, Suite
from evolve.core.suites.expand import expand
from evolve.core.templating.templates import Templates
from evolve.store.files import LocalFiles, find_root
from evolve.store.read_options import ReadOptions
from evolve.store.scripts import LocalScripts
from evolve.store.suites import load_merged, load_suite

GOOD = Path(__file__).parents[3] / "fixtures" / "suites" / "good"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a marker, so that nothing around it belongs to the checkout."""
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def load(folder: Path, text: str, **options: object) -> Suite:
    (folder / "suite.yaml").write_text(text)
    return load_suite(str(folder / "suite.yaml"), ReadOptions(**options))  # type: ignore[arg-type]


def failure(folder: Path, text: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text, **options)
    return str(caught.value).replace(f"{folder}/", "")


TESTS = "providers: [echo]\ntests: [{vars: {q: Why?}}]\n"
PROMPTS = "prompts: ['{{q}}']\nproviders: [echo]\n"


# --- prompts


def labels(suite: Suite) -> list[tuple[str, str]]:
    return [(prompt.label, prompt.raw) for prompt in suite.prompts]


def test_a_prompt_is_text_with_itself_as_label(folder: Path) -> None:
    assert labels(load(folder, f"prompts: 'Q: {{{{q}}}}'\n{TESTS}")) == [("Q: {{q}}", "Q: {{q}}")]


@pytest.mark.parametrize(
    "provider",
    ["https://example.org/ask", "{id: http, config: {url: 'http://h/'}}", "python:ask.py", "file://ask.py", "ask.py:f",
     "javascript:ask.js", "'exec: cat'"],
)  # fmt: skip
def test_programs_that_read_the_variables_need_no_prompts(folder: Path, provider: str) -> None:
    write(folder, ask__py="", ask__js="")
    suite = load(folder, f"providers: [{provider}]\ntests: [{{vars: {{q: Why?}}}}]")
    assert [prompt.label for prompt in suite.prompts] == ["{{prompt}}"]
    assert Templates("strict").render(suite.prompts[0].raw, {"q": "Why?"}) == ""


def test_a_model_without_prompts_is_refused(folder: Path) -> None:
    message = "suite.yaml:1:1: there are no prompts for echo, and a test without the variable `prompt`"
    assert failure(folder, TESTS).startswith(message)
    assert load(folder, TESTS, undefined="empty").prompts
    assert load(folder, TESTS, needs_prompts=False).prompts


def test_a_text_file_holds_prompts_between_dashes(folder: Path) -> None:
    write(folder, p__txt="First {{q}}\n---\n\n  Second {{q}}\nmore\n---\n---\n")
    found = labels(load(folder, f"prompts: [file://p.txt, p.txt]\n{TESTS}"))
    assert found[:2] == [("p.txt: First {{q}}", "First {{q}}"), ("p.txt: Second {{q}}\nmore", "Second {{q}}\nmore")]
    assert found[2:] == found[:2]


def test_prompts_have_labels_from_mappings(folder: Path) -> None:
    write(folder, p__txt="First {{q}}", p__md="# {{q}}")
    text = "prompts:\n  - {label: one, raw: '{{q}}', id: i}\n  - {label: two, raw: file://p.txt}\n"
    text += f"  - {{id: file://p.md, label: three}}\n{TESTS}"
    suite = load(folder, text)
    assert labels(suite) == [("one", "{{q}}"), ("two: p.txt: First {{q}}", "First {{q}}"), ("three", "# {{q}}")]
    assert suite.prompts[0].id == "i"


def test_a_mapping_of_files_to_labels_names_prompts(folder: Path) -> None:
    write(folder, p__md="# {{q}}")
    assert labels(load(folder, f"prompts: {{p.md: heading, 'Say {{{{q}}}}': said}}\n{TESTS}")) == [
        ("heading", "# {{q}}"), ("said", "Say {{q}}")
    ]  # fmt: skip


def test_chat_prompts_in_json_and_yaml_become_compact_json(folder: Path) -> None:
    chat = [{"role": "user", "content": "{{q}} é"}]
    write(folder, c__json=json.dumps(chat, indent=2), c__yaml="- role: user\n  content: '{{q}} é'\n")
    found = [raw for _, raw in labels(load(folder, f"prompts: [file://c.json, file://c.yaml]\n{TESTS}"))]
    assert found == ['[{"role":"user","content":"{{q}} é"}]'] * 2


def test_a_json_prompt_may_name_files(folder: Path) -> None:
    write(folder, c__json='[{"role": "system", "content": "file://s.txt"}]', s__txt="Be brief.")
    assert (
        labels(load(folder, f"prompts: [file://c.json]\n{TESTS}"))[0][1] == '[{"role":"system","content":"Be brief."}]'
    )


def test_json_lines_and_tables_hold_many_prompts(folder: Path) -> None:
    write(
        folder,
        l__jsonl='{"a": "{{q}}"}\n{"b": "{{q}}"}\n',
        t__csv="prompt,label\n{{q}} 1,one\n{{q}} 2,\n",
        s__csv="prompt\n{{q}} 3\n",
    )
    found = labels(load(folder, f"prompts: [file://l.jsonl, file://t.csv, file://s.csv]\n{TESTS}"))
    assert found == [
        ('l.jsonl: {"a": "{{q}}"}', '{"a": "{{q}}"}'),
        ('l.jsonl: {"b": "{{q}}"}', '{"b": "{{q}}"}'),
        ("one", "{{q}} 1"),
        ("Prompt 2 - {{q}} 2", "{{q}} 2"),
        ("Prompt 1 - {{q}} 3", "{{q}} 3"),
    ]


def test_globs_name_prompts_in_order(folder: Path) -> None:
    write(folder, b__txt="B {{q}}", a__txt="A {{q}}", c__md="C")
    assert [raw for _, raw in labels(load(folder, f"prompts: file://*.txt\n{TESTS}"))] == ["A {{q}}", "B {{q}}"]


def test_functions_make_prompts(folder: Path) -> None:
    write(folder, p__py="def f(context): return 'x'", p__js="module.exports = () => 'x'")
    suite = load(folder, f"prompts: ['file://p.py:f', file://p.js]\n{TESTS}")
    assert [(prompt.label, prompt.function) for prompt in suite.prompts] == [
        ("p.py:f", ScriptRef(str(folder / "p.py"), "f")), ("p.js", ScriptRef(str(folder / "p.js"), None))
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["yes/no: {{q}}?", "What is 1*2?", "Is it a.b? {{q}}", "See notes.md for {{q}}", "a/b"]
)
def test_text_that_only_looks_like_a_file_is_text(folder: Path, text: str) -> None:
    assert labels(load(folder, f"prompts: ['{text}']\n{TESTS}")) == [(text, text)]


def test_a_suite_without_prompts_asks_the_variable_prompt(folder: Path) -> None:
    assert labels(load(folder, "providers: [echo]\ntests: [{vars: {prompt: Hi}}]")) == [("{{prompt}}", "{{prompt}}")]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("file://no.txt", "suite.yaml:1:11: prompts[0]: no such file: no.txt"),
        ("no.txt", "no such file: no.txt"),
        ("'file://no*.txt'", "no file matches no*.txt"),
        ("exec:./x.sh", "no such program: ./x.sh"),
        ("langfuse://x", "not supported by Anneal: prompts from langfuse"),
        ("s3://bucket/p.txt", "not supported by Anneal: prompts from s3"),
        ("'https://firm.sharepoint.com/p.txt'", "not supported by Anneal: prompts from SharePoint"),
        ("{label: x}", "a prompt needs text"),
        ("file://empty.txt", "there are no prompts in file://empty.txt"),
        ("file://empty.md", "the file is empty"),
    ],
)
def test_prompts_that_are_refused(folder: Path, prompt: str, message: str) -> None:
    write(folder, empty__txt="\n---\n", empty__md="")
    assert message in failure(folder, f"prompts: [{prompt}]\n{TESTS}")


# --- providers


def test_providers_come_in_all_shapes(folder: Path) -> None:
    write(
        folder, more__yaml="- {id: exec:cat, label: cat}\n- echo\n", one__json='{"id": "http://x", "config": {"a": 1}}'
    )
    text = (
        "prompts: ['{{q}}']\ntests: [{vars: {q: 1}}]\nenv: {MODEL: small}\n"
        "providers:\n  - echo\n  - {id: 'openai:chat:{{env.MODEL}}', label: l, config: {k: '{{env.KEY}}'},"
        " prompts: ['{{q}}'], delay: 5,"
        " transform: output, env: {N: 1}}\n  - python:x.py: {config: {b: 2}}\n  - file://more.yaml\n  - file://one.json\n"
    )
    found = load(folder, text, env={"KEY": "secret"}).providers
    assert [(part.id, part.name, dict(part.config)) for part in found] == [
        ("echo", "echo", {}),
        ("openai:chat:small", "l", {"k": "{{env.KEY}}"}),
        ("python:x.py", "python:x.py", {"b": 2}),
        ("exec:cat", "cat", {}),
        ("echo", "echo", {}),
        ("http://x", "http://x", {"a": 1}),
    ]
    assert (found[1].prompts, found[1].delay_ms, found[1].transform, found[1].env) == (
        ("{{q}}",),
        5,
        "output",
        {"N": "1"},
    )


def test_one_provider_may_stand_alone_and_be_called_target(folder: Path) -> None:
    assert load(folder, "prompts: ['{{q}}']\ntests: [{vars: {q: 1}}]\ntargets: echo").providers[0].id == "echo"


def test_a_suite_without_providers_takes_the_given_ones(folder: Path) -> None:
    text = "prompts: ['{{q}}']\ntests: [{vars: {q: 1}}]"
    assert "there are no providers" in failure(folder, text)
    assert [part.id for part in load(folder, text, default_providers=["echo"]).providers] == ["echo"]
    assert load(folder, f"{text}\nproviders: [exec:cat]", default_providers=["echo"]).providers[0].id == "exec:cat"


def test_mistakes_in_a_providers_file_are_located_there(folder: Path) -> None:
    write(folder, more__yaml="- echo\n- {id: echo, lable: x}\n")
    assert failure(folder, "prompts: ['{{q}}']\ntests: [{vars: {q: 1}}]\nproviders: [file://more.yaml]") == (
        "more.yaml:2:14: [1].lable: unknown key 'lable' (did you mean 'label'?; --unknown-keys warn ignores it)"
    )


# --- tests


def test_tests_come_from_every_kind_of_file(folder: Path) -> None:
    write(
        folder,
        **{
            "t/a__yaml": "- vars: {q: yaml a}\n- vars: {q: yaml b}\n",
            "t/c__yml": "vars: {q: yml}\n",
            "t__json": '[{"vars": {"q": "json"}}]',
            "t__jsonl": '{"vars": {"q": "jsonl 1"}}\n\n{"vars": {"q": "jsonl 2"}}\n',
            "t__csv": 'q,__expected\n"csv, quoted\nline",contains: c\n\nlast,\n',
            "t__py": (
                "def generate_tests(config=None):\n    return [{'vars': {'q': f'py {config}'}}]\n"
                "def other():\n    yield {'vars': {'q': 'other'}}\n"
            ),
        },
    )
    text = PROMPTS + (
        "tests:\n  - vars: {q: inline}\n  - file://t/*.y*ml\n  - t.json\n  - file://t.jsonl\n  - file://t.csv\n"
        "  - file://t.py\n  - file://t.py:other\n  - {path: file://t.py, config: {n: 1}}\n"
    )
    suite = load(folder, text)
    assert [test.vars["q"] for test in suite.tests] == [
        "inline", "yaml a", "yaml b", "yml", "json", "jsonl 1", "jsonl 2", "csv, quoted\nline", "last",
        "py None", "other", "py {'n': 1}",
    ]  # fmt: skip
    places = [str(test.place.location()).replace(f"{folder}/", "") for test in suite.tests if test.place]
    assert places == [
        "suite.yaml:4:5: tests[0]", "t/a.yaml:1:3: [0]", "t/a.yaml:2:3: [1]", "t/c.yml:1:1", "t.json:1:2: [0]",
        "t.jsonl:1:1",
        "t.jsonl:3:1",
        "t.csv:2", "t.csv:5", "t.py: [0]", "t.py: [0]", "t.py: [0]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tests", "description"),
    [("t.csv", "Row #1"), ("[file://t.csv]", "Row #1"), ("t.json", "Row #1"), ("[t.json]", "")],
)
def test_rows_are_described_as_promptfoo_does(folder: Path, tests: str, description: str) -> None:
    write(folder, t__csv="q\n1\n", t__json='[{"vars": {"q": "1"}}]')
    assert load(folder, f"{PROMPTS}tests: {tests}\n").tests[0].description == description


def test_default_test_applies_to_every_test(folder: Path) -> None:
    text = PROMPTS + (
        "defaultTest:\n  vars: {a: 1, q: d}\n  assert: [{type: contains, value: x}]\n  "
        "options: {prefix: P, suffix: S}\n"
        "  metadata: {family: f, split: s}\n  threshold: 0.5\n  prompts: ['{{q}}']\n"
        "tests:\n  - {}\n  - vars: {q: own}\n    assert: [{type: contains, value: y}]\n    "
        "options: {suffix: T}\n    metadata: {split: t}\n"
        "    threshold: 0\n  - options: {disableDefaultAsserts: true}\n"
    ).replace("  - {}\n", "  - description: first\n")
    first, second, third = load(folder, text).tests
    assert (first.vars, first.threshold, first.metadata) == ({"a": 1, "q": "d"}, 0.5, {"family": "f", "split": "s"})
    assert second.vars == {"a": 1, "q": "own"}
    assert [part.value for part in second.requirements if isinstance(part, Assertion)] == ["x", "y"]
    assert (second.options.prefix, second.options.suffix, second.threshold) == ("P", "T", 0)
    assert (second.metadata, second.prompts) == ({"family": "f", "split": "t"}, ("{{q}}",))
    assert third.requirements == ()


def test_default_test_may_stand_in_a_file(folder: Path) -> None:
    write(folder, d__yaml="vars: {q: d}\nassert: [{type: contains, value: x}]\n")
    (test,) = load(folder, f"{PROMPTS}defaultTest: file://d.yaml\ntests: [description: t]\n").tests
    assert test.vars == {"q": "d"}
    place = test.requirements[0].place
    assert place is not None
    assert str(place.location()) == "d.yaml:2:10: assert[0]"


def test_scenarios_combine_data_and_tests(folder: Path) -> None:
    write(
        folder,
        t__yaml="- vars: {b: 3}\n  assert: [{type: contains, value: t}]\n",
        s__yaml="- config: [{vars: {a: 9, b: 9}}]\n",
    )
    text = "prompts: ['{{a}} {{b}}']\nproviders: [echo]\n" + (
        "defaultTest: {assert: [{type: contains, value: d}], vars: {c: 0}}\n"
        "tests: [{vars: {a: 0, b: 0}}]\n"
        "scenarios:\n  - config:\n      - vars: {a: 1}\n        "
        "assert: [{type: contains, value: s}]\n      - vars: {a: 2}\n"
        "    tests: [file://t.yaml, {vars: {b: 4}}]\n  - file://s.yaml\n"
    )
    tests = load(folder, text).tests
    assert [(test.vars["a"], test.vars["b"], test.vars["c"]) for test in tests] == [
        (0, 0, 0), (1, 3, 0), (1, 4, 0), (2, 3, 0), (2, 4, 0), (9, 9, 0)
    ]  # fmt: skip
    assert [part.value for part in tests[1].requirements if isinstance(part, Assertion)] == ["d", "s", "t"]


def test_assertions_become_values(folder: Path) -> None:
    text = PROMPTS + (
        "tests:\n  - vars: {q: 1}\n    assert:\n"
        "      - {type: not-contains, value: x, weight: 0, metric: m, transform: output, threshold: 1, "
        "config: {a: 1}}\n"
        "      - {type: assert-set, threshold: 0.5, weight: 2, metric: s, assert: [{type: is-json}]}\n"
    )
    plain, group = load(folder, text).tests[0].requirements
    assert isinstance(plain, Assertion)
    assert isinstance(group, AssertSet)
    assert (plain.type, plain.negated, plain.value, plain.weight) == ("contains", True, "x", 0)
    assert (plain.metric, plain.transform, plain.threshold, plain.config) == ("m", "output", 1, {"a": 1})
    assert (group.threshold, group.weight, group.metric, [part.type for part in group.assertions]) == (
        0.5,
        2,
        "s",
        ["is-json"],
    )
    assert group.assertions[0].place is not None
    assert str(group.assertions[0].place.location()).endswith("suite.yaml:7:75: tests[0].assert[1].assert[0]")


def test_options_that_are_not_ours_reach_the_provider(folder: Path) -> None:
    options = "{prefix: a, transformVars: vars, response_format: {type: json_object}, my_own: 1, postprocess: output}"
    (test,) = load(folder, f"{PROMPTS}tests: [{{vars: {{q: 1}}, options: {options}}}]\n").tests
    assert test.options.config == {"response_format": {"type": "json_object"}, "my_own": 1}
    assert (test.options.transform, test.options.transform_vars) == ("output", "vars")


def test_a_references_target_may_stand_in_another_file(folder: Path) -> None:
    write(folder, r__yaml="asserts: {short: {type: contains, value: x, weight: 2}}\n")
    text = f"{PROMPTS}tests: [{{vars: {{q: 1}}, assert: [{{$ref: 'r.yaml#/asserts/short', metric: m}}]}}]\n"
    (assertion,) = load(folder, text).tests[0].requirements
    assert isinstance(assertion, Assertion)
    assert (assertion.value, assertion.weight, assertion.metric) == ("x", 2, "m")


def test_a_json_schemas_own_references_are_left_alone(folder: Path) -> None:
    schema = "{type: object, properties: {a: {$ref: '#/definitions/a'}}, definitions: {a: {type: string}}}"
    (assertion,) = (
        load(folder, f"{PROMPTS}tests: [{{vars: {{q: 1}}, assert: [{{type: is-json, value: {schema}}}]}}]\n")
        .tests[0]
        .requirements
    )
    assert isinstance(assertion, Assertion)
    assert isinstance(assertion.value, dict)
    assert assertion.value["properties"] == {"a": {"$ref": "#/definitions/a"}}


def test_a_suite_may_be_json(folder: Path) -> None:
    path = folder / "suite.json"
    path.write_text(json.dumps({"prompts": ["{{q}}"], "providers": ["echo"], "tests": [{"vars": {"q": "1"}}]}))
    assert load_suite(str(path)).tests[0].vars == {"q": "1"}


def test_run_settings_are_read(folder: Path) -> None:
    text = PROMPTS + (
        "description: d\nenv: {A: 1, B: true}\nevaluateOptions: {repeat: 2, maxConcurrency: 3, delay: 4}\n"
        "derivedMetrics: [{name: n, value: a + b}]\ntests: [{vars: {q: 1}, providerOutput: x}]\n"
    )
    suite = load(folder, text)
    assert (suite.description, suite.env, suite.repeat, suite.max_concurrency, suite.delay_ms) == (
        "d",
        {"A": "1", "B": "true"},
        2,
        3,
        4,
    )
    assert [(metric.name, metric.value) for metric in suite.derived_metrics] == [("n", "a + b")]
    assert (suite.tests[0].provider_output, suite.tests[0].has_provider_output) == ("x", True)


# --- vars from files


def test_vars_are_read_from_files(folder: Path) -> None:
    write(
        folder,
        **{
            "t__txt": "  text\n\n",
            "y__yaml": "a: [1, yes]\n",
            "j__json": '{"a":  1}\n',
            "m/1__md": "one\n",
            "m/2__md": "two\n",
        },
    )
    text = (
        PROMPTS
        + "tests: [{vars: {q: file://t.txt, y: file://y.yaml, j: file://j.json, m: 'file://m/*.md', l: [x, file://t.txt]}}]\n"
    )
    suite = load(folder, text)
    assert suite.tests[0].vars == {
        "q": "text",
        "y": '{"a":[1,"yes"]}',
        "j": '{"a":  1}',
        "m": ["one", "two"],
        "l": ["x", "text"],
    }
    assert len(expand(suite)) == 4


def test_a_function_makes_a_var_for_each_prompt(folder: Path) -> None:
    write(folder, v__py="def get_var(name, prompt, vars): return {'output': 'x'}")
    (test,) = load(folder, f"{PROMPTS}tests: [{{vars: {{q: file://v.py, p: a}}}}]\n").tests
    assert test.vars == {"q": "", "p": "a"}
    assert test.var_scripts == {"q": ScriptRef(str(folder / "v.py"), None)}


def test_images_become_data_urls(folder: Path) -> None:
    (folder / "i.png").write_bytes(b"\x89PNG\x00")
    (test,) = load(folder, f"{PROMPTS}tests: [{{vars: {{q: file://i.png}}}}]\n").tests
    assert test.vars["q"] == "data:image/png;base64,iVBORwA="


def test_vars_may_be_a_file_or_a_list_of_files(folder: Path) -> None:
    write(folder, v__yaml="q: 1\na: 2\n", w__json='{"a": 3}')
    first, second = load(folder, f"{PROMPTS}tests: [{{vars: v.yaml}}, {{vars: [v.yaml, w.json]}}]\n").tests
    assert first.vars == {"q": 1, "a": 2}
    assert second.vars == {"q": 1, "a": 3}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("file://no.txt", "tests[0].vars.q: no such file: no.txt"),
        ("'file://no*.txt'", "no file matches no*.txt, which the variable 'q' names"),
        ("file://x.pdf", "not supported by Anneal: PDF files"),
        ("[a, file://x.py]", "a function cannot be inside of a mapping or a list"),
        ("file://binary.txt", "binary.txt is a binary file"),
        ("file://latin.txt", "latin.txt is not UTF-8 (line 2)"),
        ("file://../outside.txt", "../outside.txt is outside"),
        ("file://link.txt", "link.txt is outside"),
        ("file:///etc/passwd", "/etc/passwd is outside"),
        ("file://sub", "sub is a folder, not a file"),
        ("file://huge.txt", "huge.txt has 10.0 MB, the limit is 8.4 MB"),
    ],
)
def test_files_that_are_refused(folder: Path, value: str, message: str) -> None:
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "latin.txt").write_bytes(b"a\nb\xe9\n")
    (folder / "sub").mkdir()
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(10_000_000)
    (folder / "link.txt").symlink_to("/etc/passwd")
    write(folder, x__py="", x__pdf="")
    assert message in failure(folder, f"{PROMPTS}tests: [{{vars: {{q: {value}}}}}]\n")


# --- the suite's own file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\1\2binary", "is a binary file"),
        (b"a: \xff", "is not UTF-8"),
        (b"", "it is empty"),
        (b"[1]", "it is not a mapping"),
        (b"a" * 10_000_000, "has 10.0 MB, the limit is 8.4 MB"),
    ],
)
def test_a_file_that_is_no_suite_is_refused_fast(folder: Path, content: bytes, message: str) -> None:
    (folder / "suite.yaml").write_bytes(content)
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        load_suite(str(folder / "suite.yaml"))
    assert message in str(caught.value)
    assert time.process_time() - start < 1


def test_a_suite_that_does_not_exist_is_named(folder: Path) -> None:
    (folder / "suite.yaml").touch()
    with pytest.raises(InputError, match=r"no such file: siute.yaml \(did you mean 'suite.yaml'\?\)"):
        load_suite(str(folder / "siute.yaml"))


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Path) -> None:
    (folder / "suite.yaml").write_bytes(b"\xef\xbb\xbf" + f"{PROMPTS}tests: [{{vars: {{q: 1}}}}]".encode())
    assert load_suite(str(folder / "suite.yaml")).tests


def test_suites_may_read_files_of_their_checkout(folder: Path) -> None:
    (folder / ".git").mkdir()
    write(
        folder, **{"shared/p__md": "# {{q}}", "suites/agents/s__yaml": f"prompts: [file://../../shared/p.md]\n{TESTS}"}
    )
    assert load_suite(str(folder / "suites/agents/s.yaml")).prompts[0].raw == "# {{q}}"
    with pytest.raises(InputError, match="is outside"):
        load_suite(str(folder / "suites/agents/s.yaml"), ReadOptions(root=str(folder / "suites")))


def test_the_root_is_the_checkout_else_the_suites_folder(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "a" / "pytest.ini").touch()
    assert find_root(str(deep)) == str(tmp_path / "a")
    (tmp_path / ".git").mkdir()
    assert find_root(str(deep)) == str(tmp_path)


def test_files_are_found_relative_to_the_suites_folder(folder: Path) -> None:
    write(folder, a__txt="text", b__txt="text")
    files = LocalFiles(str(folder))
    assert files.read_text("a.txt") == files.read_text(str(folder / "a.txt")) == "text"
    assert [os.path.basename(path) for path in files.glob("*.txt")] == ["a.txt", "b.txt"]
    assert files.exists("a.txt")
    assert not files.exists("../../etc/passwd")


# --- scripts


def test_a_script_is_loaded_once_and_sees_its_neighbours(folder: Path) -> None:
    write(
        folder,
        neighbour_of_script__py="VALUE = 3\n",
        s__py=(
            "import neighbour_of_script\nCOUNT = []\n"
            "def f():\n    COUNT.append(1)\n    return len(COUNT) + neighbour_of_script.VALUE\n"
            "class C:\n    @staticmethod\n    def m():\n        return 'm'\n"
        ),
    )
    scripts = LocalScripts()
    path = str(folder / "s.py")
    assert [scripts.function(ScriptRef(path), "f")() for _ in range(2)] == [4, 5]
    assert scripts.function(ScriptRef(path, "C.m"), "f")() == "m"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "s.py:1:"),
        ("x = 1\nraise ValueError('no')\n", r"s.py:2: importing it raised ValueError: no"),
        ("def ff(): pass\n", r"there is no function 'f' \(did you mean 'ff'\?\)"),
        ("f = 3\n", "f is not a function"),
    ],
)
def test_a_script_that_is_wrong_is_the_users_mistake(folder: Path, text: str, message: str) -> None:
    write(folder, s__py=text)
    with pytest.raises(InputError, match=message):
        LocalScripts().function(ScriptRef(str(folder / "s.py")), "f")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("len(output) > 2", True),
        ("output.upper() # loud", "ABC"),
        ("x = 1\nreturn x + 1", 2),
        ("import math\nif math.pi > 3:\n    return output\nreturn None", "abc"),
        ("  return 1", 1),
        ('return """a\n b"""', "a\n b"),
        ("[\n  part for part in output\n]", ["a", "b", "c"]),
    ],
)
def test_inline_python_is_an_expression_or_a_body(code: str, value: object) -> None:
    assert LocalScripts().run(code, {"output": "abc", "context": {}}) == value


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 +", "not Python, line 1"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1\n\ny = = 2", "line 3"),
        ("\0", "not Python"),
    ],
)
def test_inline_python_that_fails_says_how(code: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        LocalScripts().run(code, {"output": "abc"})


def test_environment_tags_with_a_filter_are_filled_in_when_the_suite_is_read(folder: Path) -> None:
    suite = load(
        folder,
        "prompts: ['{{ env.TONE | upper }} {{ env.NONE | default(\"d\") }} {{q}} {{ env.NONE }}']\n"
        "providers: [{id: '{{ env.WHO | default(\"echo\") }}', label: '{{ env.NAME or \"l\" }}'}]\n"
        "tests: [{vars: {q: '{{ env.TONE | lower }}'}}]\n",
        env={"TONE": "Dry", "NAME": "n"},
    )
    assert suite.prompts[0].raw == "DRY d {{q}} {{ env.NONE }}"
    assert (suite.providers[0].id, suite.providers[0].label) == ("echo", "n")
    assert suite.tests[0].vars == {"q": "dry"}


def test_tests_come_from_javascript(folder: Path) -> None:
    write(
        folder,
        gen__js="module.exports = async (config) => [{vars: {q: config ? config.n : 'none'}}];\n"
        "module.exports.named = () => [{vars: {q: 'named'}}];\n",
        data__js="module.exports = [{vars: {q: 'data'}}];\n",
        bad__js="module.exports = () => ({vars: {}});\n",
    )
    entries = "[file://gen.js, {path: 'file://gen.js', config: {n: 2}}, 'file://gen.js:named', file://data.js]"
    suite = load(folder, f"{PROMPTS}tests: {entries}\n")
    assert [test.vars["q"] for test in suite.tests] == ["none", 2, "named", "data"]
    assert "expected a list of tests" in failure(folder, f"{PROMPTS}tests: file://bad.js\n")


def test_a_python_file_as_provider_is_named_in_full(folder: Path) -> None:
    text = "prompts: [a]\nproviders: ['file://./p.py', 'python:p.py', 'python:p.py:f', {id: 'python:p.py'}, x]\n"
    names = [provider.name for provider in load(folder, f"{text}tests: [{{vars: {{q: 1}}}}]\n").providers]
    assert names == ["python:p.py:default", "python:p.py:default", "python:p.py:f", "python:p.py", "x"]


def test_a_var_that_an_earlier_test_stores_is_defined(folder: Path) -> None:
    tests = "tests: [{vars: {q: a}, options: {storeOutputAs: first}}, {vars: {q: b}}]\n"
    suite = load(folder, f"prompts: ['{{{{q}}}} {{{{first}}}}']\nproviders: [echo]\n{tests}")
    assert suite.tests[0].options.store_output_as == "first"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "q;__expected\na;equals: a\n",
            "t.csv:1: q;__expected: expected columns separated by commas, got one column with a ';' in its name",
        ),
        ("q\t__expected\na\tequals: a\n", "got one column with a tab in its name (separate the columns by commas)"),
        ("q,q,__expected\na,b,equals: a\n", "t.csv:1: q: two columns are called 'q' (remove or rename one of them)"),
    ],
)
def test_a_table_that_would_lose_cells_is_refused(folder: Path, table: str, said: str) -> None:
    write(folder, t__csv=table)
    assert said in failure(folder, "prompts: ['{{q}}']\nproviders: [echo]\ntests: file://t.csv\n")


def test_a_cell_may_be_long(folder: Path) -> None:
    write(folder, t__csv=f"q\n{'x' * 200_000}\n")
    suite = load(folder, "prompts: ['{{q}}']\nproviders: [echo]\ntests: file://t.csv\n")
    assert len(suite.tests[0].vars["q"]) == 200_000


def test_a_key_whose_entries_are_all_commented_out_counts_as_absent(folder: Path) -> None:
    text = f"{PROMPTS}defaultTest:\nscenarios:\ntests:\n  - vars: {{q: a}}\n    assert:\n    options:\n    metadata:\n"
    suite = load(folder, text)
    assert (suite.tests[0].vars, suite.tests[0].requirements) == ({"q": "a"}, ())
    assert [warning.split(": ", 2)[1] for warning in suite.warnings] == [
        "defaultTest",
        "scenarios",
        "tests[0].assert",
        "tests[0].options",
        "tests[0].metadata",
    ]


MISTAKES = """\
prompts: ["{{q}}"]
providers: [echo]
tests:
  - vars: {q: a}
    assert:
      - {type: not-regex, value: "(abc"}
      - type: assert-set
        assert: [{type: python, value: "len(output"}]
      - {type: javascript, value: "output.foo(("}
      - {type: regex, value: "{{ pattern"}
  - vars: {q: b, assert: [{type: equals, value: b}]}
  - vars: {q: c}
    asert: [{type: equals, value: c}]
"""
OF_MISTAKES = [
    "suite.yaml:6:34: tests[0].assert[0].value: this JavaScript regular expression does not parse",
    "suite.yaml:8:40: tests[0].assert[1].assert[0].value: this Python does not parse",
    "suite.yaml:9:35: tests[0].assert[2].value: this JavaScript does not parse",
    "suite.yaml:10:9: tests[0].assert[3]: regex: template line 1: unexpected end of template",
    "suite.yaml:11:18: tests[1].vars.assert: assertions under 'vars' are never checked",
    "suite.yaml:13:5: tests[2].asert: unknown key 'asert'",
]


@pytest.mark.parametrize("is_merged", [False, True])
def test_code_that_does_not_parse_is_reported_along_with_other_mistakes(folder: Path, is_merged: bool):
    (folder / "suite.yaml").write_text(MISTAKES)
    (folder / "other.yaml").write_text("providers: [echo]\ntests: [{vars: {q: d}, asert: []}]\n")
    paths = [str(folder / "suite.yaml"), str(folder / "other.yaml")]
    with pytest.raises(InputError) as caught:
        load_merged(paths) if is_merged else load_suite(paths[0])
    found = [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]
    expected = [*OF_MISTAKES, *(["other.yaml:2:24: tests[0].asert: unknown key 'asert'"] if is_merged else [])]
    assert [problem[: len(start)] for problem, start in zip(found, expected, strict=True)] == expected


def test_a_var_that_looks_like_an_assertion_is_not_parsed(folder: Path):
    text = """prompts: ["{{q}}"]
providers: [echo]
tests:
  - vars: {q: {type: regex, value: "("}}
    asert: []
"""
    assert "does not parse" not in failure(folder, text)


@pytest.mark.parametrize("pattern", ["/**", "/*", "../**", "../../**/*.yaml"])
def test_a_pattern_outside_the_root_is_refused_before_it_is_walked(folder: Path, pattern: str) -> None:
    with pytest.raises(InputError, match="is outside"):
        LocalFiles(str(folder)).glob(pattern)


def test_a_pattern_that_finds_thousands_of_files_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.store.files._MAX_FILES", 3)
    for number in range(4):
        (folder / f"many{number}.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"many\*\.txt finds more than 3 files"):
        LocalFiles(str(folder)).glob("many*.txt")


def test_files_inside_mappings_and_lists_of_vars_are_read(folder: Path):
    (folder / "d ir").mkdir()
    (folder / "d ir" / "in ner.txt").write_text("inner text\n")
    text = """\
prompts: ["{{ a.b.c }} {{ a.l[0] }}"]
providers: [echo]
tests:
  - vars: {a: {b: {c: "file://d ir/in ner.txt"}, l: ["file://d ir/in ner.txt", {d: plain}]}}
"""
    (test,) = load(folder, text).tests
    assert test.vars == {"a": {"b": {"c": "inner text"}, "l": ["inner text", {"d": "plain"}]}}


def test_missing_files_inside_vars_are_all_reported_with_their_places(folder: Path):
    text = """\
prompts: ["{{a}}"]
providers: [echo]
tests:
  - vars:
      a: {b: {c: "file://one.txt"}, l: [x, "file://two.txt"], d: "file://f.py"}
"""
    with pytest.raises(InputError) as caught:
        load(folder, text)
    found = [str(problem).removeprefix(f"{folder}/").partition(" (")[0] for problem in caught.value.problems]
    assert found == [
        "suite.yaml:5:18: tests[0].vars.a.b.c: no such file: one.txt",
        "suite.yaml:5:44: tests[0].vars.a.l[1]: no such file: two.txt",
        "suite.yaml:5:66: tests[0].vars.a.d: a function cannot be inside of a mapping or a list: f.py",
    ]


def test_a_json_suite_may_hold_half_of_a_character(folder: Path) -> None:
    path = folder / "suite.json"
    tests = r'[{"vars": {"q": "a\ud83d", "r": "\\ud83d", "s": "\ud83d\ude00\udc00", "k\ud83d": "1"}}]'
    path.write_text(f'{{"prompts": ["{{{{q}}}}"], "providers": ["echo"], "tests": {tests}}}')
    (test,) = load_suite(str(path)).tests
    assert test.vars == {"q": "a\ud83d", "r": "\\ud83d", "s": "\U0001f600\udc00", "k\ud83d": "1"}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://docs.google.com/spreadsheets/d/1/edit", "Google Sheets"),
        ("https://firm.sharepoint.com/:x:/s/team/a.xlsx", "SharePoint"),
        ("https://firm.sharepoint.com/tests.csv", "SharePoint"),
        ("langfuse://tests", "langfuse"),
        ("gs://bucket/t.csv", "gs"),
    ],
)
def test_tests_of_services_are_refused_by_name(folder: Path, address: str, name: str) -> None:
    assert f"not supported by Anneal: tests from {name}" in failure(folder, f"{PROMPTS}tests: {address}\n")


def test_a_prompt_may_speak_of_a_service(folder: Path) -> None:
    found = labels(load(folder, f"prompts: ['s3://bucket holds {{{{q}}}}']\n{TESTS}"))
    assert [raw for _, raw in found] == ["s3://bucket holds {{q}}"]


def test_a_broken_reference_in_a_file_of_tests_does_not_hide_its_other_problems(folder: Path) -> None:
    write(folder, t__yaml="- {vars: {q: a}, assert: [{$ref: 'no.yaml'}]}\n- {vars: {q: b}, asert: []}\n")
    found = failure(folder, f"{PROMPTS}tests: file://t.yaml\n")
    assert "t.yaml:1:34" in found
    assert "t.yaml:2:18" in found


@pytest.mark.parametrize(
    ("default", "found"),
    [
        ("", ["__scenario_0__", "__scenario_1__"]),
        ("defaultTest: {metadata: {conversationId: all}}\n", ["all", "all"]),
        ("defaultTest: {metadata: {other: x}}\n", ["__scenario_0__", "__scenario_1__"]),
    ],
)
def test_a_scenarios_tests_are_one_conversation_unless_all_tests_are(folder: Path, default: str, found: list[str]):
    scenarios = "scenarios: [{config: [{vars: {q: a}}, {vars: {q: b}}], tests: [{threshold: 1}]}]\n"
    suite = load(folder, f"{PROMPTS}{default}{scenarios}")
    assert [test.metadata["conversationId"] for test in suite.tests] == found
