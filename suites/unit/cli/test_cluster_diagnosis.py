"""What `evolve doctor` says of Nomad and Consul."""

import asyncio
from collections.abc import Callable

import pytest

from evolve.cli._cluster_diagnosis import consul_diagnosis, nomad_diagnosis
from evolve.cli._diagnosis import Diagnosis
from fixtures.nomad_contract import nomad_agent
from fixtures.wire_faults import WireFault, wire_server

TOKEN = "7e57ab1e-5ec2-4e75-a11d-0123456789ab"


def test_without_the_variables_they_are_absent():
    assert nomad_diagnosis({}).state == consul_diagnosis({}).state == "absent"
    assert "NOMAD_ADDR" in nomad_diagnosis({}).detail
    assert "CONSUL_HTTP_ADDR" in consul_diagnosis({}).detail


def test_nobody_listens(faulty_server):
    found = nomad_diagnosis({"NOMAD_ADDR": faulty_server.refusing_url, "NOMAD_TOKEN": TOKEN})
    assert found.state == "missing"
    assert "cannot connect" in found.detail
    assert TOKEN not in found.detail


def test_a_wrong_address_is_said_and_no_login_is_shown():
    found = nomad_diagnosis({"NOMAD_ADDR": "http://user:secret-word@host"})
    assert found.state == "missing"
    assert "secret-word" not in found.detail


@pytest.mark.parametrize("fault", [WireFault.FORBIDDEN, WireFault.PAGE, WireFault.RESET, WireFault.NO_LEADER])
@pytest.mark.parametrize(
    ("ask", "variable", "token"),
    [(nomad_diagnosis, "NOMAD_ADDR", "NOMAD_TOKEN"), (consul_diagnosis, "CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN")],
)
def test_an_agent_that_is_none_is_missing_and_the_token_stays_unseen(
    fault: WireFault, ask: Callable[[dict[str, str]], Diagnosis], variable: str, token: str
):
    async def served() -> Diagnosis:
        async with wire_server(fault) as (_, url):
            return await asyncio.to_thread(ask, {variable: url, token: TOKEN})

    found = asyncio.run(served())
    assert found.state == "missing"
    assert TOKEN not in found.detail


def test_an_agent_that_answers_has_its_version_and_our_rights(tmp_path):
    with nomad_agent(tmp_path) as address:
        found = nomad_diagnosis({"NOMAD_ADDR": address.url, "NOMAD_TOKEN": address.token})
    assert found.state == "ok"
    assert "plan and register" in found.detail
