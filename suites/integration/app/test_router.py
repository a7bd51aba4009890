"""The model `moe` with ROUTER_AGENT: an endpoint names the expert; whatever goes wrong there, the fallback answers."""

import json
from dataclasses import replace

import pytest

from fixtures.real_experts import real_expert
from fixtures.running_gateways import SHORT, running_gateway
from fixtures.scripted_expert import Failure, Hangup, Raw, Silence, scripted_expert
from pipecatapp.core.routing import Instance
from pipecatapp.gateway.choosing import ROUTER
from pipecatapp.gateway.config import GatewayConfig, RouterAddress
from pipecatapp.serving.agent_file import AgentFile

PATIENT = replace(SHORT, choice_s=300.0, total_s=400.0)
HASTY = replace(SHORT, choice_s=2.0)
"""Long enough for the question to arrive on a busy machine."""
AGENT = AgentFile(ROUTER)

QUESTION = {"model": "moe", "messages": [{"role": "user", "content": "write a loop"}]}


def named(content):
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return Raw(head.encode() + body)


def tagged(name, server, *tags):
    return {name: (Instance(f"{name}/0", server.url, name, ("expert", *tags), api_key="k-expert"),)}


@pytest.fixture
def router():
    with scripted_expert() as found:
        yield found


@pytest.fixture
def gateway(expert, second, router):
    experts = {**tagged("expert-main", expert, "general"), **tagged("expert-code", second, "code", "python")}
    address = RouterAddress(AGENT, url=router.url, model="small", api_key="k-router")
    config = GatewayConfig(experts=experts, timeouts=PATIENT, moe_fallback="expert-main", router=address)
    with running_gateway(config) as found:
        yield found


def choices(gateway, name, reason):
    labels = {"expert": name, "reason": reason}
    return gateway.gateway.metrics.registry.get_sample_value("moe_gateway_choices_total", labels)


def test_the_named_expert_answers_and_is_named(gateway, router, second):
    router.script.always = named('{"expert": "expert-code"}')
    reply = gateway.chat("write a loop", model="moe")
    assert (reply.status, reply.json["model"], reply.headers["x-expert"]) == (200, "expert-code", "expert-code")
    assert len(second.script.requests) == 1
    assert choices(gateway, "expert-code", "chosen") == 1
    (asked,) = router.script.requests
    assert asked.headers["authorization"] == "Bearer k-router"
    assert asked.json["model"] == "small"
    case = asked.json["messages"][-1]["content"]
    assert "expert-code: code, python\nexpert-main: general\n" in case
    assert case.endswith("Message: write a loop")
    schema = asked.json["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["expert"]["enum"] == ["expert-code", "expert-main", "not-sure"]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (named('{"expert": "not-sure"}'), "unsure"),
        (named('{"expert": "expert-gone"}'), "unsure"),
        (named("expert-code"), "unsure"),
        (Failure(500), "failed"),
        (Hangup(), "failed"),
    ],
    ids=["not sure", "unknown", "no JSON", "error", "hangup"],
)
def test_otherwise_the_fallback_answers(gateway, router, expert, act, reason):
    router.script.always = act
    reply = gateway.chat("write a loop", model="moe")
    assert (reply.status, reply.json["model"]) == (200, "expert-main")
    assert len(expert.script.requests) == 1
    assert choices(gateway, "expert-main", reason) == 1


def test_a_late_choice_is_not_waited_for(expert, second, router):
    experts = {**tagged("expert-main", expert), **tagged("expert-code", second)}
    address = RouterAddress(AGENT, url=router.url, model="small")
    config = GatewayConfig(experts=experts, timeouts=HASTY, moe_fallback="expert-main", router=address)
    router.script.always = Silence()
    with running_gateway(config) as gateway:
        assert gateway.chat("write a loop", model="moe").json["model"] == "expert-main"
        assert choices(gateway, "expert-main", "late") == 1
        # The router's work ends, too.
        assert router.script.left.acquire(timeout=20)


def test_an_expert_of_the_gateway_can_be_asked(expert, second):
    experts = {**tagged("expert-main", expert, "general"), **tagged("expert-code", second, "code")}
    config = GatewayConfig(
        experts=experts, timeouts=PATIENT, moe_fallback="expert-main", router=RouterAddress(AGENT, "expert-main")
    )
    expert.script.always = named('{"expert": "expert-code"}')
    with running_gateway(config) as gateway:
        assert gateway.chat("write a loop", model="moe").json["model"] == "expert-code"
    assert expert.script.requests[0].headers["authorization"] == "Bearer k-expert"


def test_without_an_instance_of_the_asked_expert_the_fallback_answers(expert, second):
    experts = {**tagged("expert-main", expert), **tagged("expert-code", second)}
    config = GatewayConfig(
        experts=experts, timeouts=PATIENT, moe_fallback="expert-main", router=RouterAddress(AGENT, "expert-gone")
    )
    with running_gateway(config) as gateway:
        assert gateway.chat("hi", model="moe").json["model"] == "expert-main"
        assert choices(gateway, "expert-main", "unsure") == 1


def test_a_real_model_can_answer_only_what_there_is(expert, second, tmp_path):
    experts = {**tagged("expert-main", expert, "general"), **tagged("expert-code", second, "code")}
    with real_expert(tmp_path / "log", "--ctx-size", "4096") as url:
        address = RouterAddress(AGENT, url=url, model="small")
        config = GatewayConfig(experts=experts, timeouts=PATIENT, moe_fallback="expert-main", router=address)
        with running_gateway(config) as gateway:
            assert gateway.ask("/v1/chat/completions", QUESTION, timeout_s=400).json["model"] in experts
            counted = [choices(gateway, name, reason) for name in experts for reason in ("chosen", "unsure")]
    # Which one is the model's business; a refused schema or a wrong name would be `failed`.
    assert sum(one or 0 for one in counted) == 1
