"""What a role's argument specification says, and whether its defaults agree."""

from pathlib import Path

import pytest

from evolve.infra.verification.role_arguments import disagreements, read_arguments, wrong_values

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
            "demo/defaults/main.yml:3: demo_new has a default but is not documented in argument_specs.yml",
        ),
        (
            "demo_port: 81\ndemo_level: low\n",
            "demo/defaults/main.yml:1: demo_port has the default 81, but 80 is documented",
        ),
        ("demo_port: 80\n", "argument_specs.yml: demo_level documents a default that defaults/ does not set"),
    ],
)
def test_each_disagreement_is_reported_with_its_line(tmp_path: Path, defaults: str, problem: str) -> None:
    assert disagreements(read_arguments(role(tmp_path, defaults)))[0] == [problem]


def test_a_default_of_the_wrong_type_or_choice_is_reported(tmp_path: Path) -> None:
    problems, _ = disagreements(read_arguments(role(tmp_path, "demo_port: eighty\ndemo_level: loud\n")))
    assert "demo/defaults/main.yml:1: demo_port has the default 'eighty', which is not of the type int" in problems
    assert (
        "demo/defaults/main.yml:2: demo_level has the default 'loud', which is not one of its choices ['low', 'high']"
        in (problems)
    )


def test_a_yes_is_no_number(tmp_path: Path) -> None:
    problems, _ = disagreements(read_arguments(role(tmp_path, "demo_port: true\ndemo_level: low\n")))
    assert any("which is not of the type int" in problem for problem in problems)


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


def test_options_of_another_shape_are_reported_with_their_line_and_the_others_checked(tmp_path: Path) -> None:
    specs = (
        SPECS + "      demo_empty:\n      demo_text: int\n      demo_kind: {type: [a], choices: 5, description: x}\n"
    )
    defaults = "demo_port: 81\ndemo_level: low\ndemo_empty: 1\ndemo_text: 2\ndemo_kind: three\n"
    arguments = read_arguments(role(tmp_path, defaults, specs))
    assert disagreements(arguments)[0] == [
        "argument_specs.yml:6: demo_empty must be a mapping with its type and description, but it is empty",
        "argument_specs.yml:7: demo_text must be a mapping with its type and description, not 'int'",
        "argument_specs.yml:8: type of demo_kind must be one word, not ['a']",
        "argument_specs.yml:8: choices of demo_kind must be a list, not 5",
        "demo/defaults/main.yml:1: demo_port has the default 81, but 80 is documented",
    ]
    assert list(wrong_values(arguments)) == ["demo_port", "demo_level"]


@pytest.mark.parametrize(
    ("specs", "problem"),
    [
        ("argument_specs: [main]\n", "argument_specs.yml:1: argument_specs must be a mapping, not ['main']"),
        ("argument_specs:\n  main: [a]\n", "argument_specs.yml:2: main must be a mapping, not ['a']"),
        (
            "argument_specs:\n  main:\n    options:\n      - demo_port\n",
            "argument_specs.yml:3: options must be a mapping, not ['demo_port']",
        ),
    ],
)
def test_a_specification_of_another_shape_is_reported(tmp_path: Path, specs: str, problem: str) -> None:
    assert disagreements(read_arguments(role(tmp_path, "", specs)))[0] == [problem]


def test_a_default_whose_key_is_no_text_is_read(tmp_path: Path) -> None:
    assert read_arguments(role(tmp_path, "yes: 1\n0x10: 2\n")).spots["16"] == "demo/defaults/main.yml:2"
