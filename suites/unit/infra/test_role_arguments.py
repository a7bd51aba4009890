"""What a role's argument specification says, and whether its defaults agree."""

from pathlib import Path

import pytest

from evolve.infra.role_arguments import disagreements, read_arguments, wrong_values

SPECS = """argument_specs:
  main:
    options:
      demo_port: {type: int, description: its port, default: 80}
      demo_level: {type: str, description: how loud, choices: [low, high], default: low}
"""


def role(folder: Path, defaults: str, specs: str | None = SPECS) -> Path:
    for name, text in (("defaults/main.yml", defaults), ("meta/argument_specs.yml", specs)):
        if text is not None:
            (folder / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "demo" / name).write_text(text)
    return folder / "demo"


def test_defaults_that_agree_are_no_problem(tmp_path: Path) -> None:
    arguments = read_arguments(role(tmp_path, "demo_port: 80\ndemo_level: low\n"))
    assert disagreements(arguments) == ([], [])


@pytest.mark.parametrize(
    ("defaults", "problem"),
    [
        (
            "demo_port: 80\ndemo_level: low\ndemo_new: 1\n",
            "demo/defaults/main.yml:3: demo_new has a default and is not documented in argument_specs.yml",
        ),
        (
            "demo_port: 81\ndemo_level: low\n",
            "demo/defaults/main.yml:1: demo_port has the default 81, and 80 is documented",
        ),
        ("demo_port: 80\n", "argument_specs.yml: demo_level documents a default that defaults/ does not set"),
    ],
)
def test_each_disagreement_is_told_with_its_line(tmp_path: Path, defaults: str, problem: str) -> None:
    assert disagreements(read_arguments(role(tmp_path, defaults)))[0] == [problem]


def test_a_default_of_the_wrong_type_or_choice_is_told(tmp_path: Path) -> None:
    problems, _ = disagreements(read_arguments(role(tmp_path, "demo_port: eighty\ndemo_level: loud\n")))
    assert "demo/defaults/main.yml:1: demo_port has the default 'eighty', which is no int" in problems
    assert (
        "demo/defaults/main.yml:2: demo_level has the default 'loud', which is none of its choices ['low', 'high']"
        in (problems)
    )


def test_a_yes_is_no_number(tmp_path: Path) -> None:
    problems, _ = disagreements(read_arguments(role(tmp_path, "demo_port: true\ndemo_level: low\n")))
    assert any("which is no int" in problem for problem in problems)


def test_templates_and_private_variables_are_left_alone(tmp_path: Path) -> None:
    arguments = read_arguments(role(tmp_path, "demo_port: '{{ other }}'\ndemo_level: low\n_demo_secret: 1\n"))
    assert disagreements(arguments)[0] == []


def test_a_role_without_specification_is_known_as_such(tmp_path: Path) -> None:
    assert read_arguments(role(tmp_path, "demo_port: 80\n", specs=None)).options is None


def test_vault_and_unsafe_values_are_read(tmp_path: Path) -> None:
    given = "demo_port: 80\ndemo_level: !unsafe low\n"
    assert read_arguments(role(tmp_path, given)).defaults["demo_level"] == "low"


def test_each_option_that_can_be_wrong_gets_a_wrong_value(tmp_path: Path) -> None:
    arguments = read_arguments(role(tmp_path, ""))
    assert wrong_values(arguments) == {"demo_port": "not a number", "demo_level": "none of the choices"}
