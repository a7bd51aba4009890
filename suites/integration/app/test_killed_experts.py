"""Experts are killed at random moments of streams: an answer is whole, or says that it is not."""

import pytest

from fixtures.killable_experts import KillableExpert, run_kills
from fixtures.real_consul import free_ports
from fixtures.running_gateways import SHORT, experts_at, running_gateway
from pipecatapp.gateway.config import Access, GatewayConfig


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.nightly)])
def test_no_answer_is_cut_in_silence_and_the_next_request_is_answered(kills):
    experts = [KillableExpert(port) for port in free_ports(2)]
    config = GatewayConfig(
        experts=experts_at(*(f"http://127.0.0.1:{one.port}" for one in experts)),
        timeouts=SHORT,
        access={"default": Access(requests_per_minute=10**6, concurrent=100)},
    )
    try:
        with running_gateway(config) as gateway:
            verdicts, after = run_kills(gateway, experts, kills)
    finally:
        for one in experts:
            one.kill()
    assert len(verdicts) == 4 * kills
    assert "cut" not in verdicts
    assert "whole" in verdicts
    assert "error" in verdicts
    assert after == [200] * kills
