"""A new case is asked again, and made small."""

import asyncio
from collections.abc import Mapping

from evolve.core.cases.failure_case import CaseSource, FailureCase
from evolve.core.cases.settling import Settled
from evolve.core.cases.settling import settle as settle_case
from evolve.core.model.json_value import JsonValue

SOURCE = CaseSource("suite", "t", "contains", "no", "echo", "A@1", "2025-03-04")
LOG = "starting up\nno space left on device\nshutting down\n"
CASE = FailureCase("A", "0123456789ab", "d", {"log": LOG, "job_id": "web"}, f"Log: {LOG}", SOURCE, family="f")


class Agent:
    """Fails whenever the log speaks of space, but for the repeats in `passes`."""

    def __init__(self, *passes: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self._passes = passes

    async def fails(self, vars: Mapping[str, JsonValue], repeat: int) -> bool:
        self.asked.append((str(vars["log"]), repeat))
        return "space" in str(vars["log"]) and not (repeat in self._passes and vars == CASE.vars)


def settle(agent: Agent, max_questions: int = 100) -> Settled:
    render = lambda vars: f"Log: {vars['log']}"  # noqa: E731
    return asyncio.run(settle_case(CASE, agent.fails, max_questions=max_questions, render=render))


def test_a_case_that_fails_again_keeps_only_what_makes_it_fail():
    agent = Agent()
    found = settle(agent)
    assert found.change == "shrunk"
    assert str(found.case.vars["log"]).split() == ["space"]
    assert found.case.vars["job_id"] == "web"
    assert found.case.prompt.split() == ["Log:", "space"]
    assert found.case.fingerprint == CASE.fingerprint
    assert found.questions == len(agent.asked)
    assert agent.asked[:2] == [(LOG, 0), (LOG, 1)]


def test_a_case_that_does_not_fail_often_enough_is_flaky():
    agent = Agent(0, 1)
    found = settle(agent)
    assert (found.change, found.case.status, found.questions) == ("flaky", "flaky", 2)
    assert found.case.vars == CASE.vars
    assert not found.case.drives_evolution


def test_two_of_three_are_often_enough():
    assert settle(Agent(0)).change == "shrunk"


def test_no_more_is_asked_than_allowed():
    for limit in range(8):
        agent = Agent()
        found = settle(agent, limit)
        assert len(agent.asked) == found.questions <= limit
        assert "space" in str(found.case.vars["log"])
        assert found.case.status == "open"
