"""`evolve run` as a user types it."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evolve.__main__ import main
from fixtures.loopback_server import serving

SUITE = """\
description: two columns
prompts: ["Say {{word}}", "Tell {{word}}"]
providers: [echo]
tests:
  - description: says it
    vars: {word: hello}
    metadata: {kind: greeting}
    assert:
      - {type: contains, value: "{{word}}", metric: has}
      - {type: starts-with, value: Say, weight: 3}
  - vars: {word: [one, two]}
    metadata: {kind: number, tags: [a, b]}
    assert: [{type: icontains, value: SAY}]
    threshold: 0
derivedMetrics: [{name: half, value: has / 2}]
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")


def write(text: str, name: str = "suite.yaml") -> str:
    Path(name).write_text(text)
    return name


def test_failures_exit_with_one_and_tell_how_to_run_them_again(capsys):
    assert main(["run", write(SUITE)]) == 1
    out, err = capsys.readouterr()
    assert "FAIL says it[Tell {{word}}]" in out
    assert 'failed starts-with: Expected output to start with "Say"' in out
    assert "FAIL: 5 passed, 1 failed, 0 errors" in out
    assert out.splitlines()[-2:][0] == "run just these again:"
    assert err == "evolve: 6 tests of suite.yaml\n"


AGENT = """\
---
name: ECHO_AGENT
version: 1
description: repeats
inputs: {word: {}}
output: {type: object}
model: echo
---
## Rules
1. Be brief.

## Case
Say {{ word }}
"""


def test_an_agent_replaces_the_prompts_that_a_suite_may_be_without(capsys):
    write(AGENT, "ECHO_AGENT.md")
    suite = write("providers: [echo]\ntests: [{vars: {word: hi}, assert: [{type: contains, value: Say hi}]}]\n")
    assert main(["run", suite]) == 2
    assert "there are no prompts" in capsys.readouterr().err
    assert main(["run", suite, "--agent", "ECHO_AGENT.md"]) == 0


def test_the_command_that_is_shown_runs_just_the_failing_cases(capsys):
    main(["run", write(SUITE)])
    shown = capsys.readouterr().out.splitlines()[-1].strip()
    done = subprocess.run(
        shown.replace("evolve run", f"{sys.executable} -m evolve run", 1),
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FAIL: 0 passed, 1 failed, 0 errors" in done.stdout


def test_last_failed_runs_only_what_failed(capsys):
    many = "prompts: ['{{n}}']\nproviders: [echo]\ntests:\n" + "".join(
        f"  - {{vars: {{n: v{n}}}, assert: [{{type: equals, value: v{n % 4}}}]}}\n" for n in range(10)
    )
    assert main(["run", write(many), "-q"]) == 1
    assert "--last-failed" in capsys.readouterr().out
    assert main(["run", "suite.yaml", "-q", "--last-failed"]) == 1
    assert "0 passed, 6 failed" in capsys.readouterr().out


def test_all_passed_exits_with_zero(capsys):
    assert main(["run", write(SUITE), "--filter-metadata", "kind=number"]) == 0
    assert "PASS: 4 passed, 0 failed, 0 errors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("filters", "passed"),
    [
        (["--filter-pattern", "^says"], 1),
        (["--filter-pattern", "word=two"], 2),
        (["--filter-metadata", "kind=greeting"], 1),
        (["--filter-metadata", "tags=b"], 4),
        (["--filter-first-n", "1"], 1),
        (["--filter-providers", "ech"], 5),
        (["--repeat", "3"], 15),
    ],
)
def test_filters_choose_what_runs(filters, passed, capsys):
    main(["run", write(SUITE), "--json", *filters])
    assert json.loads(capsys.readouterr().out)["passed"] == passed


def test_a_filter_that_leaves_nothing_is_an_input_error(capsys):
    assert main(["run", write(SUITE), "--filter-pattern", "nothing like it"]) == 2
    assert "no test was selected" in capsys.readouterr().err


def test_reports_are_chosen_by_suffix(capsys):
    names = ["out/r.json", "r.jsonl", "r.csv", "r.junit.xml"]
    assert main(["run", write(SUITE), "-q", *(part for name in names for part in ("--output", name))]) == 1
    document = json.loads(Path("out/r.json").read_text())
    assert document["results"]["stats"]["successes"] == 5
    assert len(Path("r.jsonl").read_text().splitlines()) == 6
    with open("r.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 4
    assert "<testcase" in Path("r.junit.xml").read_text()


def test_reports_and_the_summary_name_one_run(capsys):
    assert main(["run", write(SUITE), "--json", "-o", "r.json", "-o", "r.jsonl", "-o", "r.html"]) == 1
    run = json.loads(capsys.readouterr().out)["run"]
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", run["id"])
    assert run["suites"] == [{"path": "suite.yaml", "configHash": run["configHash"]}]
    assert json.loads(Path("r.json").read_text())["metadata"]["run"] == run
    assert {json.loads(line)["run"]["id"] for line in Path("r.jsonl").read_text().splitlines()} == {run["id"]}
    assert run["id"] in Path("r.html").read_text()
    assert main(["run", "suite.yaml", "--json"]) == 1
    again = json.loads(capsys.readouterr().out)["run"]
    assert (again["configHash"], again["id"] == run["id"]) == (run["configHash"], False)


def test_junit_names_the_line_of_each_test(capsys):
    assert main(["run", write(SUITE), "-q", "-o", "r.xml"]) == 1
    cases = re.findall(r'<testcase name="([^"]*)".*? file="([^"]*)" line="(\d+)"', Path("r.xml").read_text())
    lines = SUITE.splitlines()
    assert {file for _, file, _ in cases} == {"suite.yaml"}
    assert {lines[int(line) - 1].strip() for _, _, line in cases} == {
        "- description: says it",
        "- vars: {word: [one, two]}",
    }


def test_a_table_of_outputs_is_drawn_where_it_is_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["run", write(SUITE)]) == 1
    assert "mean score 1.000" not in capsys.readouterr().out
    assert main(["run", "suite.yaml", "--table", "short"]) == 1
    out = capsys.readouterr().out
    table, _, rest = out.partition("FAIL says it")
    assert re.search(r"says it +✓ Say hello +✗ Tell hello", table)
    assert re.search(r"3 tests +3/3 passed, 100% +2/3 passed, 66.6%", table)
    assert "failed starts-with" in rest
    assert max(map(len, table.splitlines())) <= 70


def test_a_short_table_shows_the_command_for_all_of_it(capsys):
    write(
        "prompts: ['{{x}}']\ntests: [{vars: {x: [" + ", ".join(f"t{n}" for n in range(60)) + "]}}]\nproviders: [echo]"
    )
    assert main(["run", "suite.yaml", "-q", "--table", "short"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  ... 35 more tests: 35 passed, 0 did not" in lines
    command = lines[lines.index("35 tests not in the tables; to see all:") + 1].split()
    assert command == ["evolve", "run", "suite.yaml", "-q", "--table", "full"]
    assert main(command[1:]) == 0
    assert sum("✓" in line for line in capsys.readouterr().out.splitlines()) == 60


def test_a_table_is_no_json(capsys):
    assert main(["run", write(SUITE), "--json", "--table", "full"]) == 2
    assert "--table full prints text" in capsys.readouterr().err


def test_github_gets_annotations_at_the_lines_of_the_assertions(capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", os.getcwd())
    Path("prompts").mkdir()
    assert main(["run", write(SUITE, "prompts/suite.yaml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    line = 1 + next(at for at, text in enumerate(SUITE.splitlines()) if "starts-with" in text)
    assert lines[-1] == (
        f"::error file=prompts/suite.yaml,line={line},col=9,title=says it[Tell {{{{word}}}}]"
        '::starts-with: Expected output to start with "Say", got "Tell hello"'
    )
    assert main(["run", "prompts/suite.yaml", "--annotations", "none"]) == 1
    assert "::" not in capsys.readouterr().out
    assert main(["run", "prompts/suite.yaml", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == 1
    assert "::error file=" in err


def test_an_answer_is_no_command_to_github(capsys):
    answer = "fine\\n::add-mask::e\\n##[error]no"
    write('prompts: ["' + answer + '"]\nproviders: [echo]\ntests: [{assert: [{type: equals, value: x}]}]')
    assert main(["run", "suite.yaml", "--annotations", "github", "--table", "full"]) == 1
    lines = capsys.readouterr().out.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    inside = lines[1 : lines.index(f"::{token}::")]
    after = lines[len(inside) + 2 :]
    assert any(line.strip().startswith("::add-mask::") for line in inside)
    assert [line.partition(" ")[0] for line in after] == ["::error"]


def test_an_unknown_kind_of_report_is_refused_before_anything_runs(capsys):
    assert main(["run", write(SUITE), "--output", "r.docx"]) == 2
    assert "unknown report format" in capsys.readouterr().err


def test_input_problems_are_one_line_each_and_no_traceback(capsys):
    text = "prompts: [a]\nproviders: [ecko]\ntests: [{asserts: []}]\n"
    assert main(["run", write(text)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "suite.yaml:3:" in err
    assert "did you mean 'assert'" in err
    assert "Traceback" not in err


def test_an_unknown_provider_is_an_input_error_with_a_suggestion(capsys):
    assert main(["run", write(SUITE.replace("[echo]", "[ecko]"))]) == 2
    assert "did you mean 'echo'" in capsys.readouterr().err


def test_a_missing_file_is_an_input_error(capsys):
    assert main(["run", "nothing.yaml"]) == 2
    assert "nothing.yaml" in capsys.readouterr().err


def test_problems_of_several_suites_are_reported_together(capsys):
    write("prompts: [a]\nproviders: [echo]\ntests: [{asserts: []}]\n", "one.yaml")
    write("prompts: [a]\nprovider: [echo]\ntests: [{}]\n", "two.yaml")
    assert main(["run", "one.yaml", "two.yaml"]) == 2
    err = capsys.readouterr().err
    assert "one.yaml:3" in err
    assert "two.yaml:2" in err


def test_a_dead_endpoint_is_an_environment_error_and_no_score(capsys, monkeypatch):
    monkeypatch.setenv("EVOLVE_RETRIES", "0")
    provider = "{id: 'http://127.0.0.1:9/', config: {method: GET}}"
    text = f"prompts: [a]\nproviders: [{provider}]\ntests: [{{assert: [{{type: contains, value: a}}]}}]\n"
    assert main(["run", write(text), "--no-suite-cache", "--json"]) == 4
    summary = json.loads(capsys.readouterr().out)
    assert (summary["errors"], summary["failed"]) == (1, 0)
    assert summary["suites"][0]["failures"][0]["error_kind"] == "environment"


def test_an_assertion_that_cannot_be_evaluated_keeps_its_siblings(capsys):
    text = """\
prompts: [abc]
providers: [echo]
tests: [{assert: [{type: contains, value: abc}, {type: javascript, value: "file://absent.js"}]}]
"""
    main(["run", write(text), "-q", "-o", "r.json"])
    (row,) = json.loads(Path("r.json").read_text())["results"]["results"]
    assert row["failureReason"] == 2
    assert [part["pass"] for part in row["gradingResult"]["componentResults"]] == [True, False]


def test_skip_and_xfail_do_not_fail_the_run(capsys):
    text = """\
prompts: ["{{x}}"]
providers: [echo]
tests:
  - {vars: {x: a}, metadata: {skip: later}, assert: [{type: equals, value: b}]}
  - {vars: {x: a}, metadata: {xfail: known}, assert: [{type: equals, value: b}]}
  - {vars: {x: b}, assert: [{type: equals, value: b}]}
"""
    assert main(["run", write(text)]) == 0
    assert "PASS: 1 passed, 0 failed, 0 errors, 1 expected failure, 1 skipped" in capsys.readouterr().out


def test_repeats_with_a_pass_rate_are_one_verdict(capsys):
    write(
        "import itertools\nn = itertools.count()\n"
        "def call_api(p, o, c):\n    return {'output': 'yes' if next(n) % 4 else 'no'}\n",
        "p.py",
    )
    text = """\
prompts: [a]
providers: ["file://p.py"]
tests: [{options: {repeat: 8}, metadata: {pass_rate: RATE}, assert: [{type: equals, value: "yes"}]}]
"""
    assert main(["run", write(text.replace("RATE", "0.7")), "--json", "--no-suite-cache"]) == 0
    assert json.loads(capsys.readouterr().out)["mean_score"] == 0.75
    assert main(["run", write(text.replace("RATE", "0.8")), "--no-suite-cache"]) == 1
    assert "6 of 8 repeats passed: 0.75 < pass rate 0.8" in capsys.readouterr().out


def test_evidence_judges_by_split_and_lists_single_failures_as_known(capsys):
    write("---\nevidence:\n  tolerance: 0.1\n  splits: {val: {cases: 4, accuracy: 0.8}}\n---\nbody\n", "AGENT.md")
    text = """\
prompts: ["{{x}}"]
providers: [echo]
defaultTest: {metadata: {evidence: AGENT.md, split: val}, assert: [{type: equals, value: a}]}
tests: [{vars: {x: a}}, {vars: {x: a}}, {vars: {x: a}}, {vars: {x: LAST}}]
"""
    assert main(["run", write(text.replace("LAST", "b"))]) == 0
    out = capsys.readouterr().out
    assert "known x=b" in out
    assert "kept split val: 3 of 4 passed (0.750), recorded 0.800 on 4, tolerance 0.1" in out
    fallen = text.replace("{x: a}}, {vars: {x: LAST}}", "{x: b}}, {vars: {x: c}}")
    assert main(["run", write(fallen)]) == 1
    assert "FELL split val: 2 of 4 passed (0.500)" in capsys.readouterr().out


def test_each_model_is_judged_by_its_own_record(capsys):
    record = "splits: {val: {cases: 2, accuracy: SHARE}}"
    known, other = record.replace("SHARE", "0.5"), record.replace("SHARE", "1")
    agent = f"---\nmodel: echo\nevidence: {{{known}, models: {{MODEL: {{{other}}}}}}}\n---\n"
    text = """\
prompts: ["{{x}}"]
providers: [PROVIDER]
defaultTest: {metadata: {evidence: AGENT.md, split: val}, assert: [{type: equals, value: a}]}
tests: [{vars: {x: a}}, {vars: {x: b}}]
"""
    write("def call_api(prompt, options, context):\n    return {'output': prompt}\n", "model.py")
    write(agent.replace("MODEL", "'http://127.0.0.1:9'"), "AGENT.md")
    assert main(["run", write(text.replace("PROVIDER", "echo"))]) == 0
    assert "recorded 0.500 on 2" in capsys.readouterr().out
    named = write(text.replace("PROVIDER", "'python:model.py'"))
    assert main(["run", named]) == 1, "a model that the file does not name has no record"
    assert "recorded" not in capsys.readouterr().out
    write(agent.replace("MODEL", "'python:model.py'"), "AGENT.md")
    assert main(["run", named]) == 1
    assert "FELL split val: 1 of 2 passed (0.500), recorded 1.000 on 2" in capsys.readouterr().out


def test_a_part_of_a_split_is_not_held_against_the_evidence(capsys):
    write("---\nevidence: {tolerance: 0.1, splits: {val: {cases: 2, accuracy: 0.5}}}\n---\n", "AGENT.md")
    text = """\
prompts: ["{{x}}"]
providers: [echo]
defaultTest: {metadata: {evidence: AGENT.md, split: val}, assert: [{type: equals, value: a}]}
tests: [{vars: {x: a}}, {vars: {x: b}}]
"""
    assert main(["run", write(text), "--filter-pattern", "x=b"]) == 1
    assert "FAIL x=b" in capsys.readouterr().out


def test_files_are_suites_of_their_own_unless_merged(capsys):
    write("prompts: ['One {{x}}']\nproviders: [echo]\ntests: [{vars: {x: a}}]\n", "one.yaml")
    write("prompts: ['Two {{x}}']\nproviders: [echo]\ntests: [{vars: {x: b}}]\n", "two.yaml")
    for merge, passed in ([], 2), (["--merge"], 4):
        assert main(["run", "one.yaml", "two.yaml", "--json", *merge]) == 0
        assert json.loads(capsys.readouterr().out)["passed"] == passed


def test_merged_files_may_be_parts_of_a_suite(capsys):
    write("prompts: ['{{x}}']\nproviders: [echo]\ntests: [{vars: {x: a}}]\n", "one.yaml")
    write("tests: [{vars: {x: b}}]\ndefaultTest: {assert: [{type: equals, value: b}]}\n", "two.yaml")
    assert main(["run", "one.yaml", "two.yaml", "--merge"]) == 1
    assert "1 passed, 1 failed" in capsys.readouterr().out


def test_provider_overrides_the_suites_own(capsys):
    assert main(["run", write(SUITE.replace("[echo]", "['http://127.0.0.1:9/']")), "--provider", "echo", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] == 5


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--undefined", "empty"), 0), (("--undefined", "strict"), 2)])
def test_an_undefined_variable_is_empty_with_a_warning_unless_the_user_wants_an_error(capsys, options, code):
    text = "prompts: ['[{{absent}}]']\nproviders: [echo]\ntests: [{assert: [{type: equals, value: '[]'}]}]\n"
    assert main(["run", write(text), *options]) == code
    assert ("suite.yaml:1:11: prompts[0]: no test defines" in capsys.readouterr().err) == ("empty" not in options)


def test_a_variable_that_resembles_a_defined_one_is_an_error(capsys):
    text = "prompts: ['[{{qestion}}]']\nproviders: [echo]\ntests: [{vars: {question: a}}]\n"
    assert main(["run", write(text)]) == 2
    assert "did you mean 'question'?" in capsys.readouterr().err


def test_a_variable_that_a_block_prints_is_empty_or_an_error_by_the_same_rule(capsys):
    text = "prompts: ['{% if true %}[{{NAME}}]{% endif %}']\nproviders: [echo]\n"
    text += "tests: [{vars: {question: a}, assert: [{type: equals, value: '[]'}]}]\n"
    assert main(["run", write(text.replace("NAME", "absent"))]) == 0
    assert main(["run", write(text.replace("NAME", "qestion"))]) == 1
    assert "did you mean `question`?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code"), [((), 2), (("--unknown-keys", "error"), 2), (("--unknown-keys", "warn"), 0)]
)
def test_a_misspelt_key_is_an_error_unless_the_user_wants_a_warning(capsys, options, code):
    text = "prompts: [a]\nproviders: [echo]\ntests: [{asserts: []}]\n"
    assert main(["run", write(text), *options]) == code
    assert "suite.yaml:3:10: tests[0].asserts: unknown key 'asserts'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"), [((), 0), (("--unknown-keys", "error"), 2), (("--unknown-keys", "warn"), 0)]
)
def test_a_key_that_resembles_no_other_is_a_warning_unless_the_user_wants_an_error(capsys, options, code):
    text = "prompts: [a]\nproviders: [echo]\ntests: [{severity: high}]\n"
    assert main(["run", write(text), *options]) == code
    assert "suite.yaml:3:10: tests[0].severity: unknown key 'severity'" in capsys.readouterr().err


def test_a_refused_suite_shows_its_warnings_too(capsys):
    assert main(["run", write("prompts: [{text: x}]\nproviders: [echo]\ntests: [{vars: {x: a}}]\n")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "evolve: warning: suite.yaml:1:12: prompts[0].text: unknown key 'text', which is ignored"
    assert second.startswith("evolve: error: suite.yaml:1:11: prompts[0]: a prompt needs text")


def test_select_best_and_max_score_judge_the_members_of_a_test_together(capsys):
    text = """\
prompts: [short, a longer one]
providers: [echo]
tests: [{assert: [{type: javascript, value: output.length / 100}, {type: max-score}]}]
"""
    assert main(["run", write(text), "-q", "-o", "r.json"]) == 1
    rows = json.loads(Path("r.json").read_text())["results"]["results"]
    assert [row["success"] for row in rows] == [False, True]
    assert [len(row["gradingResult"]["componentResults"]) for row in rows] == [2, 2]


class _Slow(BaseHTTPRequestHandler):
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "slow" in body:
            time.sleep(30)
        data = json.dumps({"output": body}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint():
    _Slow.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}/"


def http_suite(url: str, words: list[str]) -> str:
    tests = ", ".join(f"{{vars: {{w: {word}}}, assert: [{{type: contains, value: {word}}}]}}" for word in words)
    return f"""\
prompts: ["{{{{w}}}}"]
providers:
  - id: "{url}"
    config:
      method: POST
      headers: {{Content-Type: application/json}}
      body: {{q: "{{{{prompt}}}}"}}
      transformResponse: json.output
tests: [{tests}]
"""


def test_a_second_run_asks_nothing(endpoint, capsys):
    write(http_suite(endpoint, ["a", "b", "c"]))
    assert main(["run", "suite.yaml", "-q"]) == 0
    assert main(["run", "suite.yaml"]) == 0
    assert _Slow.asked == 3
    assert "answers 3 (3 from the store)" in capsys.readouterr().out


def test_ctrl_c_keeps_what_is_finished_and_writes_the_reports(endpoint, tmp_path):
    write(http_suite(endpoint, ["a", "b", "slow1", "slow2"]))
    command = [sys.executable, "-m", "evolve", "run", "suite.yaml", "-o", "r.json", "--suite-concurrency", "4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    deadline = time.monotonic() + 30
    while _Slow.asked < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in out
    assert "Traceback" not in err
    assert {row["vars"]["w"] for row in json.loads(Path("r.json").read_text())["results"]["results"]} == {"a", "b"}


def test_no_colour_without_a_terminal(capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    main(["run", write(SUITE)])
    assert not re.search("\x1b", capsys.readouterr().out)


def test_help_and_unknown_commands(capsys):
    assert main(["--help"]) == 0
    assert "evolve COMMAND" in capsys.readouterr().out
    assert main(["rum"]) == 2
    assert "did you mean 'run'" in capsys.readouterr().err
    assert main(["suite.yaml"]) == 2
    assert "evolve run suite.yaml" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    write(SUITE)
    command = f"{sys.executable} -m evolve run suite.yaml | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def python_suite(body: str) -> str:
    Path("answers.py").write_text(f"import sys, time\ndef call_api(prompt, options, context):\n    {body}\n")
    return write("prompts: ['{{q}}']\nproviders: [file://answers.py]\ntests: [{vars: {q: hi}}]\n", "python.yaml")


def test_an_output_cannot_act_on_the_terminal(capsys):
    suite = SUITE.replace("word: hello", r'word: "\x1b]0;owned\x07\x1b[2J"').replace("description: says it\n    ", "")
    assert main(["run", write(suite)]) == 1
    out, _ = capsys.readouterr()
    assert "\x1b" not in out
    assert r"\x1b]0;owned\x07" in out


def test_an_unwritable_report_takes_neither_the_summary_nor_the_other_reports_with_it(capsys):
    assert main(["run", write(SUITE), "-o", "/proc/nowhere/a.json", "-o", "b.json"]) == 2
    out, err = capsys.readouterr()
    assert "FAIL: 5 passed, 1 failed, 0 errors" in out
    assert "evolve: error: /proc/nowhere/a.json: cannot write the report" in err
    assert json.loads(Path("b.json").read_text())["results"]["stats"]["failures"] == 1
    assert main(["run", "suite.yaml", "--last-failed"]) == 1


def test_a_report_that_is_a_folder_is_refused_before_anything_runs(capsys):
    Path("a.json").mkdir()
    assert main(["run", write(SUITE), "-o", "a.json"]) == 2
    assert capsys.readouterr() == ("", "evolve: error: --output a.json: this is a folder (pass the path of a file)\n")


def test_one_suite_under_two_names_runs_once(capsys):
    assert main(["run", write(SUITE), "./suite.yaml"]) == 1
    assert "FAIL: 5 passed, 1 failed, 0 errors" in capsys.readouterr().out


def test_what_a_users_python_prints_is_no_result(capsys):
    assert main(["run", python_suite("print('noise'); return {'output': prompt}"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"] == 1
    assert "noise" in err


def test_a_users_python_that_exits_is_an_error_of_its_test(capsys):
    assert main(["run", python_suite("sys.exit(7)")]) == 1
    assert "raised SystemExit: 7 (line 3)" in capsys.readouterr().out


def test_a_module_that_exits_when_imported_is_an_input_error_at_its_provider(capsys):
    Path("answers.py").write_text("import sys\nsys.exit(3)\n")
    suite = write("prompts: [hi]\nproviders: [echo, file://answers.py]\ntests: [{vars: {q: hi}}]\n")
    assert main(["run", suite]) == 2
    assert "answers.py:2: importing it raised SystemExit: 3" in capsys.readouterr().err
    Path("answers.py").unlink()
    assert main(["run", suite]) == 2
    assert re.search(r"suite.yaml:2:19: providers\[1\]: no such Python file: .*answers.py", capsys.readouterr().err)


def test_a_secret_of_the_environment_is_in_no_message(capsys, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "correct-horse-battery")
    body = "import os; raise ValueError('refused: ' + os.environ['MY_API_KEY'])"
    assert main(["run", python_suite(body), "-o", "a.json"]) == 1
    assert "raised ValueError: refused: ***" in capsys.readouterr().out
    assert "correct-horse" not in Path("a.json").read_text()


@pytest.mark.parametrize("body", ["time.sleep(600)", "exec('while True: pass')"])
def test_one_ctrl_c_ends_a_run_whose_python_never_returns(body):
    command = [sys.executable, "-m", "evolve", "run", python_suite(body)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "STOPPED: 0 passed" in out


def test_a_full_disk_behind_the_output_is_the_environments():
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "evolve", "run", write(SUITE), "-q"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 4
    assert "evolve: environment: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "code"), [("run suite.yaml", 1), ("--help", 0), ("doctor", 0), ("nope", 2)])
@pytest.mark.parametrize("closed", ["| true", ">&-", "2>&-"])
def test_closed_streams_show_no_traceback(words, code, closed):
    write(SUITE)
    script = f"set -o pipefail; {sys.executable} -m evolve {words} {closed}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_a_suite_may_forbid_stored_answers(tmp_path):
    (tmp_path / "count.py").write_text(
        "def call_api(prompt, options, context):\n"
        "    with open('calls.txt', 'a') as log:\n        log.write('x')\n"
        "    return {'output': prompt}\n"
    )
    suite = (
        "prompts: [hi]\nproviders: [python:count.py]\nevaluateOptions: {cache: %s}\n"
        "tests: [{assert: [{type: contains, value: hi}]}]\n"
    )
    for allowed, calls in (("true", 1), ("false", 2)):
        (tmp_path / "suite.yaml").write_text(suite % allowed)
        (tmp_path / "calls.txt").write_text("")
        for _ in range(2):
            command = [sys.executable, "-m", "evolve", "run", "suite.yaml"]
            environment = {**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path / "cache")}
            subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)
        assert len((tmp_path / "calls.txt").read_text()) == calls


# --- folders


def test_a_folder_stands_for_its_suites(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/one.yaml", "a/deep/two.yml", "a/three.json", "a/.hidden.yaml", "a/reports/old.yaml"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        value = {"prompts": ["Say {{word}}"], "providers": ["echo"], "tests": [{"vars": {"word": name}}]}
        path.write_text(json.dumps(value) if name.endswith(".json") else yaml_of(value))
    Path("a/demos.yaml").write_text("- {vars: {word: x}, output: y}\n")
    Path("a/package.json").write_text('{"name": "x", "nested": {"prompts": []}}')
    Path("a/playbook.yaml").write_text("- hosts: all\n  tasks: []\n")
    assert main(["run", "a", "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert [os.path.relpath(suite["path"]) for suite in reported["suites"]] == [
        "a/one.yaml",
        "a/three.json",
        "a/deep/two.yml",
    ]


def test_a_suite_with_a_mistake_is_reported_and_not_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a").mkdir()
    write(SUITE, "a/good.yaml")
    write("prompts: [x\n", "a/broken.yaml")
    Path("a/broken.json").write_text('{"prompts": [')
    assert main(["run", "a"]) == 2
    reported = capsys.readouterr().err
    assert "a/broken.yaml" in reported
    assert "a/broken.json" in reported


def test_a_folder_without_suites_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a").mkdir()
    assert main(["run", "a"]) == 2
    assert "a: no suite in this folder" in capsys.readouterr().err


def test_help_takes_the_name_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["help", "run"], ["run", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("usage: evolve run")
    assert main(["help"]) == 0
    assert main(["help", "rn"]) == 2
    assert "did you mean 'run'?" in capsys.readouterr().err


def yaml_of(value: object) -> str:
    return "".join(f"{key}: {json.dumps(item)}\n" for key, item in dict(value).items())  # type: ignore[call-overload]


def test_a_template_error_in_a_var_names_the_var_and_its_place(capsys):
    suite = (
        "prompts: ['T {{text}}']\nproviders: [echo]\n"
        "defaultTest: {vars: {more: 'found {% x %}'}, assert: [{type: contains, value: T}]}\n"
        "tests:\n  - vars: {text: 'found ^{{x}rel }and', more: ok}\n  - vars: {text: plain}\n"
    )
    assert main(["run", write(suite)]) == 1
    out = capsys.readouterr().out
    assert "suite.yaml:5:18: tests[0].vars.text: the var 'text': template line 1: unexpected" in out
    assert "suite.yaml:3:28: defaultTest.vars.more: the var 'more': template line 1: " in out


def test_a_pattern_that_backtracks_is_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("evolve.cli.run._PATTERN_S", 0.05)
    (tmp_path / "s.yaml").write_text(
        f"prompts: [hi]\nproviders: [echo]\ntests: [{{description: {'a' * 60}}}]\n", encoding="utf-8"
    )
    assert main(["run", str(tmp_path / "s.yaml"), "--filter-pattern", "(a+)+$x"]) == 2
    assert "--filter-pattern or --filter-providers took longer than 0.05 s" in capsys.readouterr().err


def test_half_a_character_is_an_escape_for_machines():
    Path("model.py").write_text('def call_api(p, o, c):\n    return {"output": "bad " + chr(0xD83D)}\n')
    suite = write("prompts: [x]\nproviders: ['python:model.py']\ntests: [{assert: [{type: equals, value: good}]}]\n")
    code = f"import sys; from evolve.__main__ import main; sys.exit(main(['run', {suite!r}, '--json']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert b"bad \\ud83d" in done.stdout
    assert json.loads(done.stdout)
