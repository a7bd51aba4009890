"""Suites as pytest items, in a real pytest in a folder of its own."""

import json
import re
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

# pytester forgets what is first imported in a run of its own, and a second yarl does not know the first one's URLs.
import aiohttp  # noqa: F401
import pytest

from fixtures.loopback_server import serving

SUITE = """\
prompts: ["Say {{word}}"]
providers: [echo]
tests:
  - description: says hello
    vars: {word: hello}
    assert: [{type: contains, value: hello}, {type: word-count, value: 2}]
  - description: says too little
    vars: {word: hi}
    assert: [{type: contains, value: hello}, {type: starts-with, value: Say}]
"""


@pytest.fixture(autouse=True)
def _own_cache(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(pytester.path / "cache"))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def suite(pytester: pytest.Pytester, text: str = SUITE, name: str = "suite.yaml") -> None:
    path = pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nothing_is_collected_unasked(pytester):
    suite(pytester)
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_suite_named_on_the_command_line_is_collected(pytester):
    suite(pytester)
    result = pytester.runpytest_inprocess("suite.yaml", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["suite.yaml::says hello PASSED*", "suite.yaml::says too little FAILED*"])


def test_a_named_yaml_file_that_is_no_suite_is_left_to_others(pytester):
    suite(pytester, "driver: {name: docker}\nplatforms: []\n", "molecule.yml")
    result = pytester.runpytest_inprocess("molecule.yml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_suite_files_are_collected_by_glob(pytester):
    pytester.makeini("[pytest]\nsuite_files = suites/**/*.yaml\n")
    suite(pytester, name="suites/one.yaml")
    suite(pytester, name="suites/deep/er/two.yaml")
    suite(pytester, name="elsewhere/three.yaml")
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    lines = [line for line in result.outlines if "::" in line]
    assert len(lines) == 4
    assert not any("three" in line for line in lines)


NAMES = """\
prompts: ["{{o}}", "say {{o}}"]
providers: [echo]
tests:
  - description: greets
    vars: {o: Ada}
    assert: [{type: equals, value: Ada}]
  - description: a::b [c] d
    vars: {o: Bob}
    assert: [{type: equals, value: "%s"}]
  - description: fine
    vars: {o: Cy}
    assert: [{type: contains, value: Cy}]
"""
FAILING = ("greets[say {{o}}]", "a:b [c] d[{{o}}]", "a:b [c] d[say {{o}}]")


@pytest.fixture
def failed(pytester):
    """One suite whose failures were fixed since the last run, and one that fails still."""
    suite(pytester, NAMES.replace("%s", "Eve"), "fails.yaml")
    suite(pytester, SUITE, "fixed.yaml")
    pytester.runpytest_inprocess("fails.yaml", "fixed.yaml").assert_outcomes(passed=4, failed=4)
    suite(pytester, SUITE.replace("word: hi", "word: Say hello").replace("contains", "icontains"), "fixed.yaml")
    return pytester


def run_ids(result: pytest.RunResult) -> list[str]:
    """What ran, in its order; the ids of the file that fails alone."""
    found = (re.match(r"fails\.yaml::(.*) (?:PASSED|FAILED)", line) for line in result.outlines)
    return [match[1] for match in found if match]


def test_last_failed_knows_ids_with_brackets_and_colons(failed):
    result = failed.runpytest_inprocess("fails.yaml", "fixed.yaml", "--lf", "-v")
    assert run_ids(result) == list(FAILING)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_failed_first_begins_with_them(failed):
    result = failed.runpytest_inprocess("fails.yaml", "--ff", "-v")
    assert run_ids(result)[:3] == list(FAILING)


def test_stepwise_stops_at_one_and_goes_on_there(failed):
    for _ in range(2):
        result = failed.runpytest_inprocess("fails.yaml", "--sw", "-v")
        assert result.ret == pytest.ExitCode.INTERRUPTED
    assert run_ids(result) == [FAILING[0]]


def test_new_first_knows_which_were_there(failed):
    old = NAMES.replace("%s", "Eve")
    new = "  - {description: new, vars: {o: x}, assert: [{type: contains, value: x}]}\n"
    suite(failed, old.replace("tests:\n", f"tests:\n{new}"), "fails.yaml")
    assert run_ids(failed.runpytest_inprocess("fails.yaml", "--nf", "-v"))[:2] == ["new[{{o}}]", "new[say {{o}}]"]


def test_one_with_brackets_and_colons_is_deselected_by_its_id(failed):
    result = failed.runpytest_inprocess("fails.yaml", f"--deselect=fails.yaml::{FAILING[0]}", "-v")
    assert FAILING[0] not in run_ids(result)
    result.assert_outcomes(passed=3, failed=2, deselected=1)


@pytest.mark.parametrize("name", FAILING)
def test_one_with_brackets_and_colons_runs_alone_by_its_id(failed, name):
    result = failed.runpytest_inprocess(f"fails.yaml::{name}", "-v")
    assert run_ids(result) == [name]


def test_last_failed_knows_them_after_workers_ran_them(failed):
    failed.runpytest_subprocess("fails.yaml", "-n", "2", "-p", "xdist").assert_outcomes(passed=3, failed=3)
    result = failed.runpytest_inprocess("fails.yaml", "--lf", "-v")
    assert run_ids(result) == list(FAILING)


def test_a_failure_is_short_and_says_how_to_repeat_it(pytester):
    suite(pytester)
    result = pytester.runpytest_inprocess("suite.yaml")
    result.stdout.fnmatch_lines(
        [
            'suite.yaml:9: contains: Expected output to contain "hello"*',
            "prompt: Say hi",
            "output: Say hi",
            'failed contains: Expected output to contain "hello"*',
            "score:  0.5",
            "run just this again: pytest 'suite.yaml::says too little'",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    pytester.runpytest_inprocess("suite.yaml::says too little").assert_outcomes(failed=1)


TWO_FAIL = """\
prompts: ["{{word}}"]
providers: [echo]
tests:
  - description: fails twice
    vars: {word: hi}
    assert:
      - {type: contains, value: h}
      - {type: contains, value: hello}
      - {type: starts-with, value: Say}
  - description: an error
    vars: {word: hi}
    assert: [{type: javascript, value: "output.split()[0].nothing.more || context.vars.none.x"}]
"""


@pytest.mark.parametrize("options", ["--tb=long", "--tb=short", "--tb=line", "-n 2", "-n 2 --tb=line"])
def test_failures_carry_the_suites_line(pytester, options):
    suite(pytester, TWO_FAIL, "prompts/mine.yaml")
    result = pytester.runpytest_inprocess("prompts/mine.yaml", "-rA", *options.split())
    title = 'prompts/mine.yaml:8: contains: Expected output to contain "hello"*(+1 more)'
    summary = "FAILED prompts/mine.yaml::fails twice - prompts/mine.yaml:8: contains:*"
    result.stdout.fnmatch_lines([f"*{title}", summary])
    assert "collecting.py" not in result.stdout.str()


def test_k_m_and_lf_select_items(pytester):
    suite(
        pytester,
        "prompts: ['{{x}}']\nproviders: [echo]\ntests:\n"
        "  - {description: one, vars: {x: a}, metadata: {tags: [fast, odd]}, assert: [{type: equals, value: b}]}\n"
        "  - {description: two, vars: {x: b}, metadata: {marks: slow}, assert: [{type: equals, value: b}]}\n",
    )
    pytester.runpytest_inprocess("suite.yaml", "-k", "two").assert_outcomes(passed=1, deselected=1)
    pytester.runpytest_inprocess("suite.yaml", "-m", "odd", "--strict-markers").assert_outcomes(failed=1, deselected=1)
    pytester.runpytest_inprocess("suite.yaml").assert_outcomes(passed=1, failed=1)
    pytester.runpytest_inprocess("suite.yaml", "--lf").assert_outcomes(failed=1, deselected=1)


def test_what_a_conftest_skips_is_not_asked(pytester):
    suite(pytester, SUITE.replace("[echo]", "['python:asked.py']"))
    pytester.makepyfile(
        asked="""
        from pathlib import Path

        def call_api(prompt, options, context):
            with Path("asked.txt").open("a") as file:
                file.write(prompt + "\\n")
            return {"output": prompt}
    """
    )
    pytester.makeconftest("""
        import pytest

        def pytest_collection_modifyitems(items):
            items[1].add_marker(pytest.mark.skip("not today"))
    """)
    pytester.runpytest_inprocess("suite.yaml").assert_outcomes(passed=1, skipped=1)
    assert (pytester.path / "asked.txt").read_text() == "Say hello\n"


def test_skip_and_xfail_come_from_metadata(pytester):
    suite(
        pytester,
        "prompts: ['{{x}}']\nproviders: [echo]\n"
        "defaultTest: {vars: {x: a}, assert: [{type: equals, value: b}]}\ntests:\n"
        "  - {description: one, metadata: {skip: not now}}\n"
        "  - {description: two, metadata: {xfail: known to fail}}\n"
        "  - {description: three, vars: {x: b}, metadata: {xfail: true}}\n",
    )
    result = pytester.runpytest_inprocess("suite.yaml", "-rsx")
    result.assert_outcomes(skipped=1, xfailed=1, xpassed=1)
    result.stdout.fnmatch_lines(["SKIPPED*not now", "XFAIL*known to fail"])


def test_junit_carries_score_and_reason(pytester):
    suite(pytester)
    pytester.runpytest_inprocess("suite.yaml", "--junitxml=j.xml")
    cases = {case.get("name"): case for case in ET.parse(pytester.path / "j.xml").iter("testcase")}
    properties = {p.get("name"): p.get("value") for p in cases["says too little"].iter("property")}
    assert properties["score"] == "0.5"
    assert properties["reason"].startswith('Expected output to contain "hello"')
    line = 1 + SUITE.splitlines().index("  - description: says too little")
    assert (properties["file"], properties["line"]) == ("suite.yaml", str(line))


def test_input_problems_are_one_collection_error_without_a_traceback(pytester):
    suite(pytester, "prompts: [a]\nproviders: [echo]\ntests:\n  - asserts: []\n  - {assrt: []}\n")
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*suite.yaml:4:5: tests?0?.asserts: unknown key*", "*suite.yaml:5:*did you mean*"])
    assert "Traceback" not in result.stdout.str()
    assert "evolve/" not in result.stdout.str()


def test_a_fault_of_the_environment_is_an_error_not_a_failure(pytester, monkeypatch):
    monkeypatch.setenv("EVOLVE_RETRIES", "0")
    suite(
        pytester,
        "prompts: [a]\nproviders: [{id: 'http://127.0.0.1:9/', config: {method: GET}}]\n"
        "tests: [{description: one, metadata: {xfail: true}, assert: [{type: contains, value: a}]}]\n",
    )
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(errors=1)
    assert "Traceback" not in result.stdout.str()


def test_a_store_that_cannot_be_used_is_an_error_without_a_traceback(pytester, monkeypatch):
    pytester.makefile("", taken="a file where the folder should be")
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(pytester.path / "taken" / "below"))
    suite(pytester)
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*the answer cache*taken*below*Not a directory*EVOLVE_CACHE_DIR*"])
    assert "Traceback" not in result.stdout.str()
    pytester.runpytest_inprocess("suite.yaml", "--no-suite-cache").assert_outcomes(passed=1, failed=1)


def test_an_unreadable_store_is_set_aside_and_reported(pytester):
    (pytester.path / "cache").mkdir()
    (pytester.path / "cache" / "answers.sqlite").write_bytes(b"this is no database at all" * 100)
    suite(pytester)
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(passed=1, failed=1)
    assert "was unreadable" in result.stdout.str()


def test_settings_come_from_the_ini_file(pytester):
    pytester.makeini("[pytest]\nsuite_files = *.yaml\nsuite_undefined = empty\nsuite_unknown_keys = warn\n")
    suite(
        pytester,
        "prompts: ['[{{absent}}]']\nproviders: [echo]\ntests: [{assertx: 1, assert: [{type: equals, value: '[]'}]}]\n",
    )
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(passed=1, warnings=1)


def test_keys_and_variables_that_resemble_nothing_are_warnings(pytester):
    pytester.makeini("[pytest]\nsuite_files = *.yaml\n")
    suite(pytester, "prompts: ['[{{absent}}]']\nproviders: [echo]\ntests: [{severity: high, vars: {question: a}}]\n")
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(passed=1, warnings=3)  # the third: the test has no assertions
    result.stdout.fnmatch_lines(["*suite.yaml:3:10: tests?0?.severity: unknown key 'severity', which is ignored*"])
    result.stdout.fnmatch_lines(["*suite.yaml:1:11: prompts?0?: no test defines the variable 'absent': it is empty*"])


def test_a_wrong_setting_is_a_usage_error(pytester):
    pytester.makeini("[pytest]\nsuite_files = *.yaml\nsuite_undefined = lenient\n")
    suite(pytester)
    result = pytester.runpytest_inprocess()
    assert (
        "suite_undefined: expected typos, strict or empty, got 'lenient'" in result.stdout.str() + result.stderr.str()
    )
    assert result.ret != 0


def test_repeats_are_items_and_with_a_pass_rate_one_item(pytester):
    suite(
        pytester,
        "prompts: [a]\nproviders: [echo]\ntests:\n"
        "  - {description: three, options: {repeat: 3}, assert: [{type: equals, value: a}]}\n"
        "  - description: one\n    options: {repeat: 3}\n    metadata: {pass_rate: 0.5}\n"
        "    assert: [{type: equals, value: a}]\n",
    )
    pytester.runpytest_inprocess("suite.yaml").assert_outcomes(passed=4)


def test_the_members_of_a_comparison_are_judged_together_also_when_one_is_selected(pytester):
    suite(
        pytester,
        "prompts: [short, a longer one]\nproviders: [echo]\n"
        "tests: [{description: t, assert: [{type: javascript, value: output.length / 100}, {type: max-score}]}]\n",
    )
    pytester.runpytest_inprocess("suite.yaml").assert_outcomes(passed=1, failed=1)
    pytester.runpytest_inprocess("suite.yaml", "-k", "longer").assert_outcomes(passed=1, deselected=1)


def test_lines_are_where_the_tests_stand(pytester):
    suite(pytester)
    items, _ = pytester.inline_genitems("suite.yaml")
    assert [item.location[1] for item in items] == [3, 6]


class _Counting(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    at_once = most_at_once = 0
    lock = threading.Lock()

    def do_POST(self) -> None:
        cls = type(self)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with cls.lock:
            cls.asked.append(body["q"])
            cls.at_once += 1
            cls.most_at_once = max(cls.most_at_once, cls.at_once)
        time.sleep(0.05)
        with cls.lock:
            cls.at_once -= 1
        data = json.dumps({"output": body["q"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[str]:
    _Counting.asked, _Counting.at_once, _Counting.most_at_once = [], 0, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}/"


def http_suite(url: str, count: int) -> str:
    tests = "".join(
        f"  - {{description: case {n}, vars: {{w: w{n}}}, assert: [{{type: equals, value: w{n}}}]}}\n"
        for n in range(count)
    )
    config = (
        '{method: POST, headers: {Content-Type: application/json}, body: {q: "{{prompt}}"}, '
        "transformResponse: json.output}"
    )
    return f'prompts: ["{{{{w}}}}"]\nproviders: [{{id: "{url}", config: {config}}}]\ntests:\n{tests}'


def test_providers_are_asked_ahead_concurrently(pytester, endpoint):
    suite(pytester, http_suite(endpoint, 20))
    pytester.runpytest_inprocess("suite.yaml", "--suite-concurrency", "10").assert_outcomes(passed=20)
    assert len(_Counting.asked) == 20
    assert 4 < _Counting.most_at_once <= 10


def test_only_selected_items_are_asked(pytester, endpoint):
    suite(pytester, http_suite(endpoint, 10))
    pytester.runpytest_inprocess("suite.yaml", "-k", "case and (3 or 5)").assert_outcomes(passed=2, deselected=8)
    assert sorted(_Counting.asked) == ["w3", "w5"]


def test_collecting_asks_nothing(pytester, endpoint):
    suite(pytester, http_suite(endpoint, 3))
    pytester.runpytest_inprocess("suite.yaml", "--collect-only")
    assert _Counting.asked == []


def test_a_second_run_takes_answers_from_the_store(pytester, endpoint):
    suite(pytester, http_suite(endpoint, 5))
    for _ in range(2):
        pytester.runpytest_inprocess("suite.yaml").assert_outcomes(passed=5)
    assert len(_Counting.asked) == 5
    pytester.runpytest_inprocess("suite.yaml", "--no-suite-cache").assert_outcomes(passed=5)
    assert len(_Counting.asked) == 10


def test_with_x_few_answers_are_bought_in_vain(pytester, endpoint):
    text = http_suite(endpoint, 40).replace("value: w0}", "value: other}")
    suite(pytester, text)
    pytester.runpytest_inprocess("suite.yaml", "-x", "--suite-concurrency", "4").assert_outcomes(failed=1)
    assert len(_Counting.asked) <= 12


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_workers_of_xdist_buy_each_answer_once(pytester, endpoint, dist):
    suite(pytester, http_suite(endpoint, 30))
    result = pytester.runpytest_subprocess("suite.yaml", "-n", "2", "--dist", dist)
    result.assert_outcomes(passed=30)
    assert sorted(_Counting.asked) == sorted({f"w{n}" for n in range(30)})


EVIDENCE = "---\nevidence: {tolerance: 0.1, splits: {val: {cases: 4, accuracy: 0.8}}}\n---\n"


def judged_suite(*words: str) -> str:
    tests = ", ".join(f"{{vars: {{x: {word}}}}}" for word in words)
    default = "{metadata: {evidence: AGENT.md, split: val}, assert: [{type: equals, value: a}]}"
    return f"prompts: ['{{{{x}}}}']\nproviders: [echo]\ndefaultTest: {default}\ntests: [{tests}]\n"


def test_a_split_that_keeps_its_score_tolerates_single_failures(pytester):
    suite(pytester, EVIDENCE, "AGENT.md")
    suite(pytester, judged_suite("a", "a", "a", "b"))
    result = pytester.runpytest_inprocess("suite.yaml", "-v", "-rx")
    result.assert_outcomes(passed=4, xfailed=1)
    result.stdout.fnmatch_lines(["suite.yaml::split val PASSED*", "XFAIL*known: the split's score decides*"])


def test_a_split_is_selected_with_its_cases_by_their_mark(pytester):
    suite(pytester, EVIDENCE, "AGENT.md")
    suite(pytester, judged_suite("a", "a", "b", "c"))
    pytester.runpytest_inprocess("suite.yaml", "-m", "val").assert_outcomes(passed=2, xfailed=2, failed=1)
    pytester.runpytest_inprocess("suite.yaml", "-m", "gate").assert_outcomes(deselected=5)


@pytest.mark.parametrize(("marked", "left"), [("a", 1), ("abcd", 0)])
def test_a_split_is_left_out_by_a_mark_that_all_of_its_cases_have(pytester, marked, left):
    suite(pytester, EVIDENCE, "AGENT.md")
    own = [f"{{vars: {{x: {x}}}, metadata: {{marks: {'slow' if x in marked else 'quick'}}}}}" for x in "abcd"]
    text = judged_suite()
    suite(pytester, text.replace("tests: []", f"tests: [{', '.join(own)}]"))
    result = pytester.runpytest_inprocess("suite.yaml", "--collect-only", "-q", "-m", "val and not slow")
    assert sum("split val" in line for line in result.outlines) == left


def test_a_split_that_falls_is_one_failure(pytester):
    suite(pytester, EVIDENCE, "AGENT.md")
    suite(pytester, judged_suite("a", "a", "b", "c"))
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(passed=2, xfailed=2, failed=1)
    result.stdout.fnmatch_lines(["split val: 2 of 4 passed (0.500)*it fell by 0.300"])


def test_a_part_of_a_split_fails_by_itself(pytester):
    suite(pytester, EVIDENCE, "AGENT.md")
    suite(pytester, judged_suite("a", "b"))
    pytester.runpytest_inprocess("suite.yaml::x=b").assert_outcomes(failed=1)
    pytester.runpytest_inprocess("suite.yaml::x=a", "suite.yaml::split val").assert_outcomes(passed=1, skipped=1)


def test_a_split_is_judged_by_whichever_worker_runs_its_item(pytester):
    suite(pytester, EVIDENCE, "AGENT.md")
    suite(pytester, judged_suite("a", "a", "a", "b"))
    result = pytester.runpytest_subprocess("suite.yaml", "-n", "2")
    result.assert_outcomes(passed=4, xfailed=1)


def test_missing_evidence_is_a_collection_error(pytester):
    suite(pytester, judged_suite("a"))
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(errors=1)
    assert "AGENT.md" in result.stdout.str()


def test_a_suite_named_beside_its_folder_is_collected(pytester):
    suite(pytester)
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess(".", "suite.yaml").assert_outcomes(passed=2, failed=1)
    pytester.runpytest_inprocess("suite.yaml::says hello", ".").assert_outcomes(passed=2, failed=1)


def test_an_output_cannot_act_on_the_terminal(pytester):
    suite(pytester, SUITE.replace("word: hi}", r'word: "\x1b]0;owned\x07"}'))
    result = pytester.runpytest_inprocess("suite.yaml", "--color=no")
    assert "\x1b" not in result.stdout.str()
    result.stdout.fnmatch_lines([r"*output: Say \x1b*owned*"])


# --- half of a surrogate pair, which UTF-8 and so pytest-xdist cannot carry

HALF = {
    "answer": ('return {"output": "bad " + chr(0xD83D)}', "{type: equals, value: good}"),
    "error": ('return {"error": "bad " + chr(0xD83D)}', "{type: equals, value: good}"),
    "exception": ('raise ValueError("bad " + chr(0xD83D))', "{type: equals, value: good}"),
    "javascript": (
        'return {"output": "bad"}',
        """{type: javascript, value: "({pass: false, score: 0, reason: 'bad \\\\ud83d'})"}""",
    ),
    "python": (
        'return {"output": "bad"}',
        """{type: python, value: "{'pass': False, 'score': 0, 'reason': chr(0xD83D)}"}""",
    ),
    "printed": ('print("bad " + chr(0xDC00)); return {"output": "bad"}', "{type: equals, value: good}"),
    "warning": (
        'import warnings; warnings.warn("bad " + chr(0xD83D)); return {"output": "bad"}',
        "{type: equals, value: good}",
    ),
}


def half_suite(pytester: pytest.Pytester, channel: str) -> None:
    code, check = HALF[channel]
    pytester.makepyfile(model=f"def call_api(prompt, options, context):\n    {code}\n")
    text = f"prompts: [x]\nproviders: ['python:model.py']\ntests: [{{description: half, assert: [{check}]}}]\n"
    suite(pytester, text)


@pytest.mark.parametrize("channel", HALF)
def test_half_a_character_fails_under_xdist_as_without(pytester, channel):
    half_suite(pytester, channel)
    alone = pytester.runpytest_subprocess("suite.yaml", "-rA")
    shared = pytester.runpytest_subprocess("suite.yaml", "-p", "xdist", "-n", "1", "--junitxml=report.xml", "-rA")
    assert "INTERNALERROR" not in shared.stdout.str()
    assert (shared.ret, shared.parseoutcomes().get("failed"), shared.parseoutcomes().get("errors")) == (
        pytest.ExitCode.TESTS_FAILED,
        alone.parseoutcomes().get("failed"),
        alone.parseoutcomes().get("errors"),
    )
    ET.parse(pytester.path / "report.xml")


def test_half_a_character_in_the_names_and_marks_of_generated_tests(pytester):
    pytester.makepyfile(
        made="""
        def tests():
            half = "v" + chr(0xD83D)
            yes = [{"type": "contains", "value": "v"}]
            yield {"description": "a" + half, "vars": {"o": half}, "assert": yes}
            yield {"description": "b", "vars": {"o": half}, "metadata": {"tags": ["t" + half]}, "assert": yes}
            yield {"description": "c", "vars": {"o": "1"}, "metadata": {"skip": "no " + half}, "assert": yes}
            no = [{"type": "equals", "value": "2"}]
            yield {"description": "d", "vars": {"o": "1"}, "metadata": {"xfail": "no " + half}, "assert": no}
        """
    )
    suite(pytester, "prompts: ['{{ o }}']\nproviders: [echo]\ntests: file://made.py:tests\n")
    shared = pytester.runpytest_subprocess("suite.yaml", "-p", "xdist", "-n", "1", "-rA")
    shared.assert_outcomes(passed=2, skipped=1, xfailed=1)
    assert shared.ret == pytest.ExitCode.OK


def test_half_a_character_in_a_plain_test_reaches_the_report(pytester):
    pytester.makepyfile(
        """
        import warnings
        def test_it(record_property):
            record_property("half", chr(0xD83D))
            warnings.warn(chr(0xD83D))
            assert chr(0xD83D) == "whole"
        """
    )
    shared = pytester.runpytest_subprocess("-p", "xdist", "-n", "1")
    shared.assert_outcomes(failed=1, warnings=1)
    assert shared.ret == pytest.ExitCode.TESTS_FAILED


# --- names with marks that pytest gives a meaning

ODD_NAMES = [
    *("a [b", "a [b]", "a ]b", "[", "]", "x] [y", "a::b[c]::d", "::", "a[1]#2", "dup", "dup", "dup#2"),
    *("line1\nline2", "tab\tx", "nul \0 x", "esc \x1b[31m x", "\ufffe x", "L" * 5000, "L" * 5001),
    *("'q' \"dq\"", "<x>&amp;]]>", "%s {0}", "-x", ""),
]


def odd_suite(pytester):
    tests = [
        {"description": name, "vars": {"n": number}, "assert": [{"type": "equals", "value": str(number % 2 * number)}]}
        for number, name in enumerate(ODD_NAMES)
    ]
    (pytester.path / "suite.yaml").write_text(
        json.dumps({"prompts": ["{{ n }}", "{{ n }}"], "providers": ["echo"], "tests": tests})
    )
    return len(tests)


def names_in(file):
    return [(case.get("classname"), case.get("name")) for case in ET.parse(file).iter("testcase")]


def collected(pytester, *options):
    lines = pytester.runpytest_inprocess("suite.yaml", "--collect-only", "-q", *options).outlines
    return [line for line in lines if line.startswith("suite.yaml::")]


def test_junit_has_each_test_once_under_the_name_of_its_id(pytester):
    odd_suite(pytester)
    ids = collected(pytester)
    assert len(set(ids)) == len(ids) == 2 * len(ODD_NAMES)
    pytester.runpytest_inprocess("suite.yaml", "--junitxml=j.xml")
    named = names_in(pytester.path / "j.xml")
    assert [f"{file}::{name}" for file, name in named] == ids
    pytester.runpytest_subprocess("suite.yaml", "-p", "xdist", "-n", "1", "--junitxml=n.xml")
    assert sorted(names_in(pytester.path / "n.xml")) == sorted(named)


def test_what_failed_is_found_again_whatever_its_name(pytester):
    odd_suite(pytester)
    ids = collected(pytester)
    first = pytester.runpytest_inprocess("suite.yaml")
    failed = first.parseoutcomes()["failed"]
    again = pytester.runpytest_inprocess("suite.yaml", "--lf")
    assert again.parseoutcomes() == {"failed": failed, "deselected": len(ids) - failed}
    assert sorted(collected(pytester, "--ff")) == sorted(ids)
    assert pytester.runpytest_inprocess("suite.yaml", "--nf").parseoutcomes() == first.parseoutcomes()
    assert pytester.runpytest_inprocess("suite.yaml", "--sw-skip").parseoutcomes()["failed"] == 2


def test_each_test_runs_alone_by_its_id(pytester):
    odd_suite(pytester)
    for name in collected(pytester):
        alone = pytester.runpytest_inprocess(name)
        assert sum(alone.parseoutcomes().values()) == 1, name
