"""`evolve init` and what follows, as a new user types it, on a model of a few lines."""

import re
from pathlib import Path

import pytest

from evolve.cli.init import EXAMPLE, FILES
from fixtures.own_agent import OwnAgent, Step, commands_of

PAGE = Path(__file__).parents[2] / "docs" / "own-agent.md"
README = EXAMPLE / "ALERTS_README.md"


@pytest.fixture
def empty(tmp_path: Path) -> OwnAgent:
    (tmp_path / "work").mkdir()
    return OwnAgent(tmp_path / "work", tmp_path / "cache")


def done(step: Step, code: int = 0) -> str:
    assert step.code == code, (step.words, step.out, step.err)
    return step.out


# --- init


def test_init_writes_the_example_and_names_the_next_commands(empty: OwnAgent) -> None:
    reported = done(empty.type("evolve init alerts"))
    assert sorted(path.name for path in (empty.folder / "alerts").iterdir()) == sorted([*FILES, "pytest.ini"])
    assert "  cd alerts" in reported
    assert "  evolve run alerts.yaml --write-cases failure_cases" in reported


def test_init_overwrites_nothing_and_names_every_file_in_the_way(empty: OwnAgent) -> None:
    for name in ("alerts.yaml", "prompts.py"):
        (empty.folder / name).write_text("mine")
    step = empty.type("evolve init")
    assert (step.code, step.out) == (2, "")
    assert step.err.count("this file exists already") == 2
    assert "alerts.yaml: this file" in step.err
    assert "prompts.py: this file" in step.err
    assert sorted(path.name for path in empty.folder.iterdir()) == ["alerts.yaml", "prompts.py"]
    assert (empty.folder / "alerts.yaml").read_text() == "mine"


def test_init_refuses_a_file_as_its_folder(empty: OwnAgent) -> None:
    (empty.folder / "alerts").write_text("mine")
    assert "alerts: this file exists already" in empty.type("evolve init alerts").err


@pytest.mark.parametrize(
    ("ini", "section", "quote"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]", '"'),
        ("setup.cfg", "[tool:pytest]", ""),
        ("tox.ini", "[pytest]", ""),
    ],
)
def test_a_repository_keeps_its_settings_and_gets_lines_that_work(
    empty: OwnAgent, ini: str, section: str, quote: str
) -> None:
    settings = empty.folder / ini
    settings.write_text("# mine\n")
    reported = done(empty.type("evolve init agents"))
    assert settings.read_text() == "# mine\n"
    assert not (empty.folder / "agents" / "pytest.ini").exists()
    lines = reported.partition(f"add these lines to {ini}:\n\n")[2].partition("\n\n")[0]
    assert lines.splitlines()[:2] == [
        section,
        f"suite_files = {quote}agents/alerts.yaml agents/failure_cases/**/*.yaml{quote}",
    ]
    settings.write_text(lines)
    assert "48 tests collected" in done(empty.type("pytest --collect-only -q"))


# --- the commands of the page and of the README


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[OwnAgent, list[Path]]:
    """All commands of the README, typed in their order, and the folder as it was after each."""
    place = tmp_path_factory.mktemp("own")
    (place / "work").mkdir()
    user = OwnAgent(place / "work", place / "cache")
    done(user.type("evolve init"))
    user.use_model()
    saved = [user.save("0")]
    for number, command in enumerate(commands_of(README.read_text()), 1):
        user.type(command)
        saved.append(user.save(str(number)))
    return user, saved


def step_of(user: OwnAgent, *words: str) -> Step:
    return next(step for step in user.steps if step.words[1 : 1 + len(words)] == words)


def test_the_commands_lead_from_a_failing_suite_to_a_promoted_agent_and_back(
    typed: tuple[OwnAgent, list[Path]],
) -> None:
    user, _ = typed
    first, *_, last = [step for step in user.steps if step.words[1] == "run"]
    assert "16 passed, 32 failed" in done(first, 1)
    assert "new failure cases: 16" in first.out
    assert "16 failure cases" in done(step_of(user, "cases", "list"))
    assert "Better: proven" in done(step_of(user, "--test-case"))
    assert "ALERT_AGENT@2 is in ALERT_AGENT.md" in done(step_of(user, "promote"))
    found = re.search(r"(\d+) passed, (\d+) failed", last.out)
    assert found
    assert int(found[2]) < 8
    assert "ALERT_AGENT@1 is in" in done(step_of(user, "rollback"))
    assert (user.folder / "ALERT_AGENT.md").read_text() == (EXAMPLE / "ALERT_AGENT.md").read_text().replace(
        "llamacpp:smollm2-135m", "python:model.py"
    )


def test_the_diff_shows_the_demos_and_the_evidence(typed: tuple[OwnAgent, list[Path]]) -> None:
    user, _ = typed
    reported = done(step_of(user, "diff"))
    assert "+demos: {" in reported
    assert "demos: 24 added, 0 removed, 0 replaced" in reported
    assert '+ Alert: The RAID array md0 is degraded, one disk is missing => {"team": "storage"}' in reported
    assert "gate 1: proven, p = " in reported
    assert "\x1b" not in reported


def test_a_rollback_is_in_the_report_and_finds_an_agent_by_its_name(typed: tuple[OwnAgent, list[Path]]) -> None:
    user, saved = typed
    user.restore(saved[5])
    assert "promoted: ALERT_AGENT@2" in done(user.type("evolve report"))
    user.folder.joinpath("elsewhere").mkdir()
    done(user.type("evolve rollback ALERT_AGENT"))
    reported = done(user.type("evolve report -o page.html"))
    assert "ALERT_AGENT.md, then rolled back" in reported
    page = (user.folder / "page.html").read_text()
    assert "Promoted, then rolled back" in page
    assert '<p class="note good">' not in page


def test_every_next_command_and_hint_works_as_it_is(typed: tuple[OwnAgent, list[Path]]) -> None:
    user, saved = typed
    steps = [step for step in user.steps if step.words[1] != "report"][: len(saved)]
    hints = [(place, command) for step, place in zip(steps, saved, strict=True) for command in step.commands]
    assert {command.split()[1] for _, command in hints} >= {"run", "diff", "promote", "rollback"}
    for place, command in hints:
        user.restore(place)
        step = user.type(command)
        assert step.code in (0, 1), (command, step.err)


def test_the_page_shows_the_files_as_they_are() -> None:
    page = PAGE.read_text()
    for name in ("ALERT_AGENT.md", "prompts.py"):
        assert (EXAMPLE / name).read_text() in page
    shown = page.partition("```yaml\n# The suite")[2].partition("\n  # ...")[0]
    assert shown
    assert (EXAMPLE / "alerts.yaml").read_text().startswith(f"# The suite{shown}\n")
    assert commands_of(page) == ["evolve init alerts", *commands_of(README.read_text())]
