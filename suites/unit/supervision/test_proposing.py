"""What the supervisor takes of an agent's answer: an action with its arguments, where the report names them."""

import asyncio
from typing import Any

import pytest

from evolve.core.cases.redaction import Redactor
from evolve.core.model.actions import Action, FreePort, NotAProposal, Proposal
from evolve.supervision.proposing import AgentProposer, Proposed
from fixtures.supervised_cluster import ScriptedModel, scripted_client

REPORT: Any = {
    "job_id": "web",
    "driver": "docker",
    "status": "failed",
    "stdout": "",
    "stderr": "bind() to 0.0.0.0:8080 failed (98: Address already in use)",
}


def proposed(answer: Any, agent: str = "HEAL_AGENT") -> Proposed:
    client = scripted_client(agent, ScriptedModel(lambda: answer))
    return asyncio.run(AgentProposer(client, Redactor()).propose(REPORT))


def test_an_argument_that_the_report_names_is_taken():
    found = proposed({"action": "free_port", "port": 8080})
    assert found.found == Proposal(Action.FREE_PORT, FreePort(8080))
    assert found.not_in_report == ()


def test_an_invented_argument_is_left_out_and_named_and_the_answer_is_kept_for_the_record():
    found = proposed({"action": "free_port", "port": 9090})
    assert found.found == Proposal(Action.FREE_PORT, None)
    assert found.not_in_report == ("port",)
    assert "9090" in str(found.answer)


@pytest.mark.parametrize("agent", ["HEAL_AGENT", "REFLECTION_AGENT"])
def test_an_action_alone_is_a_proposal_of_either_agent(agent):
    assert proposed({"action": "free_port"}, agent).found == Proposal(Action.FREE_PORT, None)


@pytest.mark.parametrize("answer", [{"action": "free_port", "port": 0}, {"action": "free_port", "job": "db"}, "stop"])
def test_an_answer_outside_the_schema_is_no_proposal(answer):
    found = proposed(answer)
    assert isinstance(found.found, NotAProposal)
    assert found.not_in_report == ()
