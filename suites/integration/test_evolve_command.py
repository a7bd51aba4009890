"""`evolve` from outside: one clean message for what is wrong, nothing lost when it stops, and a result for machines."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.evolution_events import EvolutionStarted, ProposalRejected
from fixtures.faulty_server import Ok, Status
from fixtures.small_evolution import MODEL, SmallEvolution, a_case, bought_twice, finished, small_evolution, small_tests
from fixtures.small_evolution import write_suite as write

DEADLINE_S = 60.0


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    return small_evolution(tmp_path / "work")


def the_message(ended: "subprocess.CompletedProcess[str]", code: int) -> str:
    """What a command that failed said: one message of `evolve`, no traceback, no result."""
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert "ResourceWarning" not in ended.stderr
    printed = [line for line in ended.stderr.splitlines() if line.startswith(("evolve: error", "evolve: environment"))]
    assert len(printed) == 1, ended.stderr
    return printed[0]


def wait_for_answers(work: SmallEvolution, process: "subprocess.Popen[str]", count: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while len(work.bought) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)


# --- what is wrong is reported in one message, before anything is bought


def no_file(work: SmallEvolution) -> list[str]:
    return ["--test-case", "nowhere.yaml", "--agent", "AGENT.md"]


def suite_as_a_case(work: SmallEvolution) -> list[str]:
    return ["--test-case", "suite.yaml", "--agent", "AGENT.md"]


def no_suite(work: SmallEvolution) -> list[str]:
    return ["--suite", "nowhere.yaml", "--agent", "AGENT.md"]


def unknown_agent(work: SmallEvolution) -> list[str]:
    return ["--suite", "suite.yaml", "--agent", "REFLECTION_AGNT"]


def no_agent(work: SmallEvolution) -> list[str]:
    return ["--suite", "suite.yaml"]


def case_with_a_typo(work: SmallEvolution) -> list[str]:
    (work.folder / "case.yaml").write_text(a_case("sea", "blue", "0123456789ab").replace("accepted:", "acepted:"))
    return ["--test-case", "case.yaml", "--agent", "AGENT.md"]


def suite_with_a_typo(work: SmallEvolution) -> list[str]:
    text = (work.folder / "suite.yaml").read_text()
    (work.folder / "suite.yaml").write_text(text.replace('"description"', '"descripton"', 1))
    return ["--suite", "suite.yaml", "--agent", "AGENT.md"]


def case_of_other_inputs(work: SmallEvolution) -> list[str]:
    write(work.folder / "suite.yaml", [{**test, "vars": {"think": "sea"}} for test in small_tests()], "{{ think }}")
    return ["--suite", "suite.yaml", "--agent", "AGENT.md"]


def split_that_is_none(work: SmallEvolution) -> list[str]:
    tests = small_tests()
    tests[0]["metadata"]["split"] = "trian"
    write(work.folder / "suite.yaml", tests)
    return ["--suite", "suite.yaml", "--agent", "AGENT.md"]


def family_in_two_splits(work: SmallEvolution) -> list[str]:
    tests = small_tests()
    tests[0]["metadata"] |= {"family": "the family", "split": "train"}
    tests[-1]["metadata"] |= {"family": "the family", "split": "gate"}
    write(work.folder / "suite.yaml", tests)
    return ["--suite", "suite.yaml", "--agent", "AGENT.md"]


def damaged_gate_log(work: SmallEvolution) -> list[str]:
    (work.folder / "gate_log.jsonl").write_text('{"gate": 1, "opened": \n{"number": 7}\n')
    return ["--suite", "suite.yaml", "--agent", "AGENT.md"]


def unknown_provider(work: SmallEvolution) -> list[str]:
    return ["--suite", "suite.yaml", "--agent", "AGENT.md", "--provider", "opnai:chat:m"]


def unknown_reflector(work: SmallEvolution) -> list[str]:
    return ["--suite", "suite.yaml", "--agent", "AGENT.md", "--reflector", "opnai:chat:m"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (no_file, "nowhere.yaml: no such file or folder"),
        (no_suite, "nowhere.yaml"),
        (
            suite_as_a_case,
            "this is a suite, not a failure case (pass a suite with --suite: evolve --suite suite.yaml)",
        ),
        (unknown_agent, "no agent 'REFLECTION_AGNT'"),
        (no_agent, "no agent given (pass --agent NAME, or FILE.md for an agent of your own)"),
        (case_with_a_typo, "accepted"),
        (suite_with_a_typo, "did you mean 'description'"),
        (case_of_other_inputs, "cases have no var 'thing', which COLOUR_AGENT reads"),
        (split_that_is_none, "'trian'"),
        (family_in_two_splits, "'the family'"),
        (damaged_gate_log, "gate_log.jsonl:1"),
        (unknown_provider, "opnai"),
        (unknown_reflector, "opnai"),
    ],
)
def test_what_is_wrong_is_reported_before_an_answer_is_bought(
    wrong: Callable[[SmallEvolution], list[str]], said: str, work: SmallEvolution
) -> None:
    ended = finished(work.begin(*wrong(work)))
    printed = [line for line in ended.stderr.splitlines() if line.startswith("evolve: error")]
    assert any(said in line for line in printed), ended.stderr
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert work.bought == []


@pytest.mark.parametrize("budget", ["0", "-3", "many", "1.5", "0m", ""])
def test_a_budget_that_is_none_is_refused_by_name(budget: str, work: SmallEvolution) -> None:
    ended = finished(work.begin("--suite", "suite.yaml", "--agent", "AGENT.md", f"--budget={budget}"))
    assert (ended.returncode, ended.stdout) == (2, "")
    forms = "a number of answers, a time such as 5m or 90s, or tokens such as 200k-tokens, above 0"
    assert f"argument --budget: expected {forms}, got {budget!r}" in ended.stderr


def with_a_limit(work: SmallEvolution) -> None:
    work.agent.write_text(work.agent.read_text().replace("temperature: 0", "temperature: 0, max_tokens: 8"))


def test_a_budget_in_tokens_needs_a_limit_of_an_answer(work: SmallEvolution) -> None:
    ended = finished(work.begin("--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", "20k-tokens"))
    printed = the_message(ended, 2)
    assert "AGENT.md: a budget in tokens needs a limit for one answer" in printed
    assert "sampling.max_tokens" in printed
    assert work.bought == []


def test_a_budget_that_pays_for_no_question_is_refused_with_one_that_does(work: SmallEvolution) -> None:
    with_a_limit(work)
    ended = finished(work.begin("--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", "100-tokens"))
    printed = the_message(ended, 2)
    assert "a budget of 100 tokens pays for no question: the first may need " in printed
    assert re.search(r"need at most --budget \d+-tokens\)", printed)
    assert work.bought == []


@pytest.mark.parametrize("words", [("--budget", "20k-tokens"), ("--objective", "cheaper")], ids=" ".join)
def test_what_counts_tokens_needs_a_provider_that_reports_them(work: SmallEvolution, words: tuple[str, str]) -> None:
    with_a_limit(work)
    model = work.folder / "model.py"
    model.write_text(model.read_text().replace('"total": 10, "prompt": 7, "completion": 3', ""))
    ended = finished(work.begin("--suite", "suite.yaml", "--agent", "AGENT.md", *words))
    assert "python:model.py does not report tokens" in the_message(ended, 2)


def test_tokens_are_not_exceeded_and_the_same_command_pays_for_nothing_again(work: SmallEvolution) -> None:
    with_a_limit(work)
    model = work.folder / "model.py"
    model.write_text(model.read_text().replace('"total": 10,', '"total": len(prompt) // 4,'))
    words = ("--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", "12k-tokens", "--json")
    first, again = (finished(work.begin(*words)) for _ in range(2))
    assert first.returncode == 0, first.stderr
    one, other = json.loads(first.stdout), json.loads(again.stdout)
    assert 6000 < one["account"]["tokens"]["total"] <= 12_000
    assert len(work.bought) == one["account"]["search"] + one["account"]["gate"]
    assert (one["outcome"], one["winner"], one["gate"]) == (other["outcome"], other["winner"], other["gate"])
    assert one["budget"] == {"unit": "tokens", "total": 12_000, "used": one["account"]["tokens"]["total"]}
    assert "tokens" in first.stderr


def test_nothing_to_evolve_on_is_reported_with_what_to_name(work: SmallEvolution) -> None:
    assert "--test-case" in the_message(finished(work.begin("--agent", "AGENT.md")), 2)


# --- a gate that can prove nothing


def with_gate_families(work: SmallEvolution, count: int) -> None:
    tests = small_tests()
    gate = [test for test in tests if test["metadata"]["split"] == "gate"][:count]
    write(work.folder / "suite.yaml", [*(test for test in tests if test["metadata"]["split"] != "gate"), *gate])


TOO_SMALL = "the gate has 3 families and needs 6 to prove anything at its level 0.019: 3 more are missing"


def test_a_gate_that_is_too_small_is_announced_before_the_first_paid_call(
    work: SmallEvolution, faulty_server: Any
) -> None:
    with_gate_families(work, 3)
    work.env |= {"EVOLVE_BASE_URL": faulty_server.refusing_url, "EVOLVE_API_KEY": "k", "EVOLVE_RETRIES": "0"}
    ended = work.run("--provider", "openai:chat:m")
    assert ended.returncode == 4
    assert f"evolve: warning: {TOO_SMALL}" in ended.stderr
    assert "--small-gate" in ended.stderr


def test_a_gate_that_is_too_small_stays_closed_and_the_same_command_with_the_flag_opens_it(
    work: SmallEvolution,
) -> None:
    with_gate_families(work, 3)
    ended = work.run(budget=200)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Better, not tested: COLOUR_AGENT@1: ")
    assert TOO_SMALL in ended.stdout
    assert "evolve promote" not in ended.stdout
    assert not (work.folder / "gate_log.jsonl").exists()
    bought = len(work.bought)
    opened = work.run("--small-gate", budget=200)
    assert opened.returncode == 0, opened.stderr
    assert "--small-gate opens it anyway" in opened.stderr
    assert "gate 1: " in opened.stdout
    assert (work.folder / "gate_log.jsonl").read_text().count("\n") == 2
    assert 0 < len(work.bought) - bought <= 2 * 3 + 3, "the search's answers are known"


def test_the_agents_suite_that_is_not_here_is_named(work: SmallEvolution) -> None:
    text = work.agent.read_text().replace("---\n## Role", "evidence: {suite: suites/gone.yaml}\n---\n## Role")
    work.agent.write_text(text)
    (work.folder / "case.yaml").write_text(a_case("sea", "blue", "0123456789ab"))
    ended = finished(work.begin("--test-case", "case.yaml", "--agent", "AGENT.md", "--budget", "40"))
    assert ended.returncode == 0, ended.stderr
    assert "the agent's suite suites/gone.yaml is not here" in ended.stderr
    assert "pass its file with --suite" in ended.stderr


# --- endpoints that fail


def test_a_dead_endpoint_is_the_environments_fault_and_the_message_tells_how_to_go_on(
    work: SmallEvolution, faulty_server: Any
) -> None:
    work.env |= {"EVOLVE_BASE_URL": faulty_server.refusing_url, "EVOLVE_API_KEY": "k", "EVOLVE_RETRIES": "0"}
    printed = the_message(work.run("--provider", "openai:chat:m"), 4)
    assert "the same command continues from here: evolve --suite suite.yaml --agent AGENT.md" in printed


def test_an_endpoint_that_dies_on_the_way_costs_nothing_that_was_answered(
    work: SmallEvolution, faulty_server: Any
) -> None:
    work.env |= {"EVOLVE_BASE_URL": f"{faulty_server.url}/v1", "EVOLVE_API_KEY": "k", "EVOLVE_RETRIES": "0"}
    good = Ok('{"colour": "red"}')
    faulty_server.plan(*[good] * 9, then=Status(500))
    words = ("--provider", "openai:chat:m", "--concurrency", "1", "--json")
    assert "status 500" in the_message(work.run(*words, budget=30), 4)
    answered = [request.body for request in faulty_server.requests[:9]]

    faulty_server.plan(then=good)
    ended = work.run(*words, budget=30)
    assert ended.returncode == 0, ended.stderr
    assert not set(answered).intersection(request.body for request in faulty_server.requests)
    account = json.loads(ended.stdout)["account"]
    assert account["search"] + account["gate"] == 9 + len(faulty_server.requests)
    assert account["repeated"] == 1, "the call that failed was made again"


# --- Ctrl-C


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(work: SmallEvolution) -> None:
    work.env["LATENCY"] = "0.005"
    process = work.start("--json")
    wait_for_answers(work, process, 30)
    process.send_signal(signal.SIGINT)
    ended = finished(process)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
    assert "the same command continues from here" in ended.stderr
    asked, stored = len(work.bought), work.stored
    assert list(work.folder.glob("reports/evolve/*/report.html"))

    ended = work.run("--json")
    assert ended.returncode == 0, ended.stderr
    assert not stored.intersection(work.bought[asked:])
    started = work.events()[0]
    assert isinstance(started, EvolutionStarted)
    assert started.resumed
    printed = json.loads(ended.stdout)
    assert printed["account"]["search"] + printed["account"]["gate"] == len(set(work.bought))


# --- the result


def test_json_is_one_object_whatever_the_users_python_prints(tmp_path: Path) -> None:
    noisy = MODEL.replace("    time.sleep", '    print("noise")\n    time.sleep')
    work = small_evolution(tmp_path / "work", model=noisy)
    ended = work.run("--json")
    assert ended.returncode == 0, ended.stderr
    printed = json.loads(ended.stdout)
    assert printed["outcome"] in ("proven", "provisional", "rejected", "no-better")
    assert printed["account"]["search"] + printed["account"]["gate"] == len(work.bought) <= 120
    assert (work.folder / printed["report"]).is_file()
    if printed["winner_file"]:
        assert (work.folder / printed["winner_file"]).is_file()


def test_a_second_time_everything_is_known_and_the_result_is_the_same(work: SmallEvolution) -> None:
    first, second = json.loads(work.run("--json").stdout), json.loads(work.run("--json").stdout)
    assert bought_twice(work.bought) == []
    timed = ("model_s", "seconds", "cost")
    for printed in (first, second):
        printed["account"] = {name: value for name, value in printed["account"].items() if name not in timed}
    assert first == second


def test_failure_cases_come_first_and_a_suite_is_not_needed(work: SmallEvolution) -> None:
    folder = work.folder / "cases"
    folder.mkdir()
    things = [("sea at night", "blue"), ("rose in rain", "red"), ("moss on stone", "green"), ("old blood", "red")]
    for number, (thing, colour) in enumerate(things):
        (folder / f"case_{number:012}.yaml").write_text(a_case(thing, colour, f"{number:012}"))
    ended = finished(work.begin("--test-case", "cases", "--agent", "AGENT.md", "--budget", "40", "--json"))
    assert ended.returncode == 0, ended.stderr
    started = work.events()[0]
    assert isinstance(started, EvolutionStarted)
    assert {(task.split, task.status) for task in started.tasks} == {("train", "open")}
    assert {task.file for task in started.tasks} == {f"cases/case_{number:012}.yaml" for number in range(4)}


def test_an_assertion_file_that_changes_is_asked_anew(work: SmallEvolution) -> None:
    """Scores are kept for what decides them; what a file decides is decided by the file as it is now."""
    tests = [
        {**test, "assert": [{"type": "python", "value": "file://judge.py"}], "metadata": {"split": "train"}}
        for test in small_tests()[:6]
    ]
    write(work.folder / "suite.yaml", tests)
    judge = work.folder / "judge.py"
    judge.write_text("def get_assert(output, context):\n    return True\n")
    first = json.loads(work.run("--json", budget=20).stdout)
    judge.write_text("def get_assert(output, context):\n    return False\n")
    second = json.loads(work.run("--json", budget=20).stdout)
    assert (len(first["still_failing"]), len(second["still_failing"])) == (0, 6)


# --- the reflector


def rule(text: str) -> Ok:
    return Ok(json.dumps({"text": text}))


def with_reflector(work: SmallEvolution, server: Any, *words: str) -> "subprocess.CompletedProcess[str]":
    work.env |= {"EVOLVE_BASE_URL": f"{server.url}/v1", "EVOLVE_API_KEY": "k", "EVOLVE_RETRIES": "0"}
    return work.run("--reflector", "openai:chat:big", "--json", *words, budget=200)


def refusals(work: SmallEvolution) -> list[str]:
    reflecting = ("reflect-rule", "edit-rule", "rewrite", "contrast", "mixed-rule")
    return [e.reason for e in work.events() if isinstance(e, ProposalRejected) and e.operator in reflecting]


def test_what_is_no_proposal_is_refused_with_its_reason_and_the_search_goes_on(
    work: SmallEvolution, faulty_server: Any
) -> None:
    faulty_server.plan(
        rule("Things of the sky and of the sea are blue."),
        Ok("Sure! Here is a better rule for your agent: be careful."),
        rule("Here is the rule you asked for: leaves are green."),
        Ok('{"text": "Things that burn are re'),
        Ok('```json\n{"text": "Leaves and grass are green, whatever the light."}\n```'),
        rule("```\nLeaves are green.\n```"),
        then=rule("Never say [your colour here] at all."),
    )
    ended = with_reflector(work, faulty_server, "--reflector-cap", "12")
    assert ended.returncode == 0, ended.stderr
    printed = json.loads(ended.stdout)
    assert printed["account"]["reflector"] == len(faulty_server.requests) <= 12
    said = " | ".join(refusals(work))
    assert "expected a JSON object" in said
    assert any(words in said for words in ("got chat", "is chat", "has a code fence"))
    proposed = [event.candidate for event in work.events() if type(event).__name__ == "CandidateProposed"]
    assert any("Things of the sky and of the sea are blue." in candidate.text for candidate in proposed)


def test_a_suite_without_labels_is_evolved_by_the_reasons_of_its_assertions(
    work: SmallEvolution, faulty_server: Any
) -> None:
    wrong = {"type": "javascript", "value": "({pass: false, score: 0.8, reason: 'no source is named'})"}
    tests = [{**test, "metadata": {"split": "train"}, "assert": [wrong]} for test in small_tests()[:12]]
    write(work.folder / "suite.yaml", tests)
    faulty_server.plan(then=rule("Name the source of each answer at its end."))
    ended = with_reflector(work, faulty_server)
    assert ended.returncode == 0, ended.stderr
    assert any(b"Wrong because: no source is named" in request.body for request in faulty_server.requests)
    proposed = [event.candidate for event in work.events() if type(event).__name__ == "CandidateProposed"]
    assert any("Name the source of each answer at its end." in candidate.text for candidate in proposed)


def test_a_whole_proposal_in_a_code_fence_is_taken(work: SmallEvolution, faulty_server: Any) -> None:
    faulty_server.plan(then=Ok('```json\n{"text": "Things of the sky and of the sea are blue."}\n```'))
    assert with_reflector(work, faulty_server).returncode == 0
    proposed = [event.candidate for event in work.events() if type(event).__name__ == "CandidateProposed"]
    assert any("Things of the sky and of the sea are blue." in candidate.text for candidate in proposed)


@pytest.mark.parametrize("answer", ["", "Sure! Say blue for the sea."])
def test_a_reflector_that_cannot_answer_is_named_on_the_console_and_in_the_report(
    work: SmallEvolution, faulty_server: Any, answer: str
) -> None:
    faulty_server.plan(then=Ok(answer))
    work.env |= {"EVOLVE_BASE_URL": f"{faulty_server.url}/v1", "EVOLVE_API_KEY": "k", "EVOLVE_RETRIES": "0"}
    ended = work.run("--reflector", "openai:chat:big", budget=200)
    assert ended.returncode == 0, ended.stderr
    line = "reflector openai:chat:big: not asked any more after 5 questions: 5 answers in a row refused for one cause"
    assert line in ended.stdout
    assert line in ended.stderr
    assert "--reflector ID" in ended.stdout
    assert len(faulty_server.requests) == 5
    (page,) = work.folder.rglob("report.html")
    assert "The reflector openai:chat:big was not asked any more after 5 questions" in page.read_text(encoding="utf-8")
    assert "cost: reflector openai:chat:big 5 questions (5 malformed, 0 duplicates, 0 refused; 0 passed screening" in (
        ended.stdout
    )


def test_the_reflector_never_sees_a_case_that_is_held_out(work: SmallEvolution, faulty_server: Any) -> None:
    faulty_server.plan(then=Ok("no JSON"))
    assert with_reflector(work, faulty_server).returncode == 0
    assert faulty_server.requests
    for request in faulty_server.requests:
        text = request.body.decode()
        assert "of train-" in text
        assert "of val-" not in text
        assert "of gate-" not in text


def test_the_cap_holds_and_is_no_part_of_the_budget(work: SmallEvolution, faulty_server: Any) -> None:
    faulty_server.plan(then=Ok("no JSON"))
    printed = json.loads(with_reflector(work, faulty_server, "--reflector-cap", "3").stdout)
    assert printed["account"]["reflector"] == len(faulty_server.requests) == 3
    assert printed["account"]["search"] + printed["account"]["gate"] == len(work.bought) <= 200


def test_a_reflector_that_fails_is_left_alone_and_the_search_goes_on(work: SmallEvolution, faulty_server: Any) -> None:
    faulty_server.plan(rule("Things of the sky and of the sea are blue."), then=Status(500, "out of order"))
    ended = with_reflector(work, faulty_server)
    assert ended.returncode == 0, ended.stderr
    assert len(faulty_server.requests) == 2
    (reason,) = [reason for reason in refusals(work) if "failed" in reason]
    assert "the reflector failed and is not asked again" in reason
    assert json.loads(ended.stdout)["account"]["search"] > 100


def test_what_a_reflector_said_is_not_bought_again(work: SmallEvolution, faulty_server: Any) -> None:
    faulty_server.plan(then=rule("Things of the sky and of the sea are blue."))
    first = json.loads(with_reflector(work, faulty_server).stdout)
    asked = len(faulty_server.requests)
    second = json.loads(with_reflector(work, faulty_server).stdout)
    assert len(faulty_server.requests) == asked > 0
    assert first["winner"] == second["winner"]
