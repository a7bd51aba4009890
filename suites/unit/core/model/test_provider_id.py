"""Who answers: the command line, the environment, the agent, and the embedded model for suites alone."""

from pathlib import Path

import pytest

from evolve.core.model.agents import Agent, Section
from evolve.core.model.errors import InputError
from evolve.core.model.provider_id import DEFAULT_PROVIDER, is_embedded, named_provider, provider_id


def agent(model: str) -> Agent:
    return Agent("A", 1, "answers", (), {}, model, (Section("Case", "x"),))


@pytest.mark.parametrize(
    ("given", "env", "model", "answers"),
    [
        ("echo", {"EVOLVE_PROVIDER": "exec:x"}, "python:m.py", "echo"),
        (None, {"EVOLVE_PROVIDER": "exec:x"}, "python:m.py", "exec:x"),
        ("", {"EVOLVE_PROVIDER": ""}, "python:m.py", "python:m.py"),
        (None, {"EVOLVE_PROVIDER": "exec:x"}, "", "exec:x"),
        ("echo", {}, "", "echo"),
    ],
)
def test_who_is_named_first_answers(given: str | None, env: dict[str, str], model: str, answers: str):
    assert provider_id(agent(model), given, env) == answers


def test_a_suite_without_an_agent_has_the_embedded_model():
    assert provider_id(None, None, {}) == DEFAULT_PROVIDER
    assert provider_id(None, None, {"EVOLVE_PROVIDER": "echo"}) == "echo"


def test_nobody_is_named_where_nothing_is_set():
    assert named_provider("", {"EVOLVE_PROVIDER": ""}) is None


@pytest.mark.parametrize("model", ["", "  "])
def test_an_empty_model_is_reported_with_the_agents_file(model: str):
    with pytest.raises(InputError) as caught:
        provider_id(agent(model), None, {}, file=Path("somewhere/A.md"))
    assert "somewhere/A.md: model: the agent's model is empty" in str(caught.value)
    assert "--provider" in str(caught.value)
    assert "EVOLVE_PROVIDER" in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (DEFAULT_PROVIDER, True),
        ("turns:llamacpp:m.gguf", True),
        ("turns:openai:chat:m", False),
        ("openai:llamacpp:m", False),
    ],
)
def test_a_model_of_this_machine_is_known_by_its_id(provider: str, expected: bool):
    assert is_embedded(provider) is expected
