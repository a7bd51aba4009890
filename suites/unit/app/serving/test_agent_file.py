from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.evaluation.agent_prompt import AGENT_FILE, agent_prompt
from evolve.store.agents import find_agent
from pipecatapp.gateway.choosing import ROUTER
from pipecatapp.serving.agent_file import AgentFile

VARS = {"message": "Wie spät ist es?", "experts": {"expert-main": "general", "expert-translation": "translation"}}


def test_the_prompt_is_the_one_that_the_agents_suite_measures():
    path = find_agent(ROUTER)
    prompt = AgentFile(ROUTER).prompt(VARS)
    measured = agent_prompt({"vars": VARS, "config": {AGENT_FILE: str(path)}})
    assert prompt.text == measured["prompt"]
    assert prompt.config == measured["config"]


def test_it_can_only_name_what_the_case_has():
    config = AgentFile(find_agent(ROUTER)).prompt(VARS).config
    schema = config["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["expert"] == {"enum": ["expert-main", "expert-translation", "not-sure"]}


@pytest.mark.parametrize(
    ("bank", "message"),
    [(None, "demos.yaml: cannot read"), ("a: 1\n", "expected a demo bank"), ("- 1\n", "a demo needs 'vars'")],
)
def test_a_bank_that_is_missing_or_wrong_is_an_input_error(tmp_path, bank, message):
    text = (find_agent(ROUTER)).read_text().replace("demos/router.yaml", "demos.yaml")
    agent = Path(tmp_path / "MINE.md")
    agent.write_text(text)
    if bank is not None:
        (tmp_path / "demos.yaml").write_text(bank)
    with pytest.raises(InputError, match=message):
        AgentFile(agent)
