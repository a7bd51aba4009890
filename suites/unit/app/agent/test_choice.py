import re

import pytest

from evolve.core.model.errors import InputError
from evolve.store.agents import AGENTS_DIR
from pipecatapp.agent.choice import ChoiceAgent
from pipecatapp.core.ports import Risk, ToolSpec


def tool(name, description="does it"):
    return ToolSpec(name, description, {"type": "object"}, Risk.READ, 5.0)


@pytest.fixture(scope="module")
def agent():
    return ChoiceAgent("TWIN_AGENT")


def schema_of(prompt):
    return prompt.config["response_format"]["json_schema"]["schema"]


def test_only_the_tools_that_there_are_can_be_answered(agent):
    prompt = agent.prompt("turn on the light", [tool("ha"), tool("ssh")])
    assert schema_of(prompt)["properties"]["tool"]["enum"] == ["ha", "ssh", "none"]
    assert prompt.messages[-1]["content"] == "Request: turn on the light"


def test_the_measured_words_stay_and_a_tool_that_they_do_not_name_is_added(agent):
    known = agent.prompt("x", [tool("ha", "another description")]).messages[0]["content"]
    assert "ha: the house itself" in known
    assert "another description" not in known
    more = agent.prompt("x", [tool("toaster", "toasts bread")]).messages[0]["content"]
    assert "\ntoaster: toasts bread" in more
    assert more.replace("\ntoaster: toasts bread", "") == known


def test_the_accuracy_is_that_of_the_model_that_was_measured(agent):
    assert 0 < agent.accuracy("llamacpp:smollm2-135m") < 1
    assert agent.accuracy("llamacpp:another") is None
    assert agent.accuracy("") is None


EVIDENCE = """\
evidence:
  suite: suites/agents/twin.yaml
  splits:
    gate: {cases: 45, accuracy: 0.2}
  models:
    llamacpp:larger:
      splits:
        gate: {cases: 45, accuracy: 0.6}
        test: {cases: 189, accuracy: 0.5}
    llamacpp:promoted:
      gate: {number: 2, word: proven}
"""


@pytest.mark.parametrize(
    ("model", "share"),
    [
        ("llamacpp:smollm2-135m", 0.2),
        ("llamacpp:larger", 0.5),
        ("llamacpp:promoted", None),
        ("llamacpp:another", None),
        ("", None),
    ],
)
def test_each_model_has_its_own_accuracy_and_cases_that_nobody_read_count_first(tmp_path, model, share):
    text = (AGENTS_DIR / "TWIN_AGENT_PLAIN.md").read_text()
    front, body = re.sub(r"^evidence:.*\n(?:[ ].*\n)*", "", text, flags=re.M).rsplit("---\n", 1)
    file = tmp_path / "MEASURED.md"
    file.write_text(f"{front}{EVIDENCE}---\n{body}")
    assert ChoiceAgent(str(file)).accuracy(model) == share


@pytest.mark.parametrize(
    ("answer", "choice"), [({"tool": "ha"}, "ha"), ({"tool": 5}, None), ({}, None), (None, None), ([], None)]
)
def test_an_answer_names_a_tool_or_none(agent, answer, choice):
    assert agent.choice_of(answer) == choice


def test_an_agent_that_does_not_exist_is_the_users_mistake():
    with pytest.raises(InputError, match="no agent 'NO_AGENT'"):
        ChoiceAgent("NO_AGENT")
