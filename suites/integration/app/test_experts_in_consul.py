"""Experts come and go in a real Consul, and requests follow."""

import asyncio
import threading
from dataclasses import replace

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from fixtures.processes import wait_for
from fixtures.real_consul import free_ports, started_consul
from fixtures.running_gateways import SHORT, running_gateway
from fixtures.scripted_expert import Failure, Hangup
from pipecatapp.gateway.config import GatewayConfig, Timeouts


@pytest.fixture(scope="module")
def consul(tmp_path_factory):
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield Services(url)


class Services:
    """Registers experts with a check that a test turns."""

    def __init__(self, url):
        self.address = ClusterAddress(url)

    def _do(self, work):
        async def run():
            async with ConsulClient(self.address) as client:
                await work(client)

        asyncio.run(run())

    def register(self, expert, name="expert-main", id=None, **meta):
        service = {
            "ID": id or name, "Name": name, "Address": "127.0.0.1", "Port": expert.port, "Meta": meta,
            "Tags": ["general"], "Check": {"CheckID": f"check-{id or name}", "TTL": "1h", "Status": "passing"},
        }  # fmt: skip
        self._do(lambda client: client.services.register(service))

    def deregister(self, id):
        self._do(lambda client: client.services.deregister(id))

    def fail(self, id):
        import urllib.request

        url = f"{self.address.url}/v1/agent/check/fail/check-{id}"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()

    def heal(self, id):
        self._do(lambda client: client.services.pass_check(f"check-{id}"))


def ready(gateway):
    return {one["id"]: one["ready"] for one in gateway.ask("/v1/models").json["data"]}


def test_experts_come_fail_heal_and_go(consul, expert, second):
    config = GatewayConfig(consul=consul.address, timeouts=SHORT)
    with running_gateway(config) as gateway:
        assert gateway.ask("/health/ready").status == 503
        consul.register(expert, model="smollm2")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-main": True})
        assert gateway.ask("/health/ready").status == 200
        assert gateway.ask("/v1/models/expert-main").json["served_model"] == "smollm2"
        assert gateway.chat().status == 200
        assert expert.script.requests[0].json["model"] == "smollm2"
        consul.register(second, id="two")
        wait_for("the gateway has noticed", lambda: len(gateway.gateway.experts.instances("expert-main")) == 2)
        # A failed check takes an instance out, whatever its port says.
        consul.fail("expert-main")
        wait_for("the gateway has noticed", lambda: len(gateway.gateway.experts.instances("expert-main")) == 1)
        asked = len(expert.script.requests)
        assert [gateway.chat().status for _ in range(10)] == [200] * 10
        assert len(expert.script.requests) == asked
        consul.fail("two")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-main": False})
        assert gateway.chat().json["error"]["code"] == "expert_unavailable"
        consul.heal("expert-main")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-main": True})
        consul.register(second, name="expert-code")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-code": True, "expert-main": True})
        for id in ("expert-main", "two", "expert-code"):
            consul.deregister(id)
        wait_for("the gateway has noticed", lambda: ready(gateway) == {})
        assert gateway.chat().json["error"]["code"] == "model_not_found"


def test_the_first_request_finds_an_expert_that_consul_has(consul, expert):
    """A gateway that has just begun does not deny a model before it has Consul's list."""
    consul.register(expert)
    config = GatewayConfig(consul=consul.address, timeouts=replace(SHORT, wake_s=30, connect_s=30))
    for _ in range(20):
        with running_gateway(config) as gateway:
            reply = gateway.chat()
            assert reply.status == 200, reply.body
    consul.deregister("expert-main")


def test_a_model_is_not_denied_while_consul_has_listed_nothing():
    (port,) = free_ports(1)
    config = GatewayConfig(
        consul=ClusterAddress(f"http://127.0.0.1:{port}"),
        timeouts=replace(SHORT, connect_s=0.2),
        moe_fallback="expert-main",
    )
    with running_gateway(config) as gateway:
        reply = gateway.chat()
        assert (reply.status, reply.json["error"]["code"]) == (503, "expert_unavailable")
        assert reply.headers["retry-after"] == "2"
        assert gateway.chat(model="moe").status == 503
        # No service of Consul has such a name.
        assert gateway.ask("/v1/completions", {"model": "gpt-5", "prompt": "x"}).status == 404


def test_an_expert_whose_activator_fails_its_check_is_unavailable_and_not_unknown(consul, expert):
    consul.register(expert, name="activator-expert-main")
    with running_gateway(GatewayConfig(consul=consul.address, timeouts=SHORT)) as gateway:
        wait_for("the gateway has noticed", lambda: gateway.gateway.experts.activators("expert-main"))
        consul.fail("activator-expert-main")
        wait_for("the gateway has noticed", lambda: not gateway.gateway.experts.activators("expert-main"))
        assert ready(gateway) == {"expert-main": False}
        assert gateway.chat().json["error"]["code"] == "expert_unavailable"
        consul.heal("activator-expert-main")
        wait_for("the gateway has noticed", lambda: gateway.gateway.experts.activators("expert-main"))
        assert gateway.chat().status == 200
        consul.deregister("activator-expert-main")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {})
        assert gateway.chat().json["error"]["code"] == "model_not_found"


def test_a_request_waits_for_an_expert_that_wakes(consul, expert):
    config = GatewayConfig(consul=consul.address, timeouts=Timeouts(wake_s=30, comment_s=0.2))
    with running_gateway(config) as gateway:
        consul.register(expert)
        consul.fail("expert-main")
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-main": False})
        replies = []
        asking = threading.Thread(target=lambda: replies.append(gateway.chat(stream=True)))
        asking.start()
        wait_for(
            "the gateway has noticed",
            lambda: gateway.gateway.metrics.registry.get_sample_value("moe_gateway_requests_in_flight") == 1,
        )
        consul.heal("expert-main")
        asking.join()
        assert replies[0].status == 200
        assert replies[0].body.endswith(b"data: [DONE]\n\n")
    consul.deregister("expert-main")


def test_a_killed_expert_is_passed_over_before_consul_knows(consul, expert, second):
    with running_gateway(GatewayConfig(consul=consul.address, timeouts=SHORT)) as gateway:
        consul.register(expert, id="one")
        consul.register(second, id="two")
        wait_for("the gateway has noticed", lambda: len(gateway.gateway.experts.instances("expert-main")) == 2)
        expert.close()
        assert [gateway.chat().status for _ in range(20)] == [200] * 20
    consul.deregister("one")
    consul.deregister("two")


def test_what_consul_said_last_stays_in_use_when_it_is_away(expert, tmp_path):
    with started_consul(tmp_path) as url:
        services = Services(url)
        services.register(expert)
        stack = running_gateway(GatewayConfig(consul=services.address, timeouts=SHORT))
        gateway = stack.__enter__()
        wait_for("the gateway has noticed", lambda: ready(gateway) == {"expert-main": True})
    try:
        wait_for("the gateway has noticed", lambda: gateway.ask("/health/ready").json["warnings"])
        assert "Consul does not answer" in gateway.ask("/health/ready").json["warnings"][0]
        assert gateway.ask("/health/ready").status == 200
        assert gateway.chat().status == 200
    finally:
        stack.__exit__(None, None, None)


LOADING = Failure(503, '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}')


@pytest.mark.parametrize("act", [LOADING, Failure(429), Hangup()], ids=["loading", "overloaded", "hangup"])
def test_what_an_activator_answers_is_its_experts_answer(consul, expert, second, act):
    config = GatewayConfig(consul=consul.address, timeouts=SHORT)
    consul.register(expert, name="activator-expert-main", service="expert-main", state="awake")
    consul.register(second)
    try:
        with running_gateway(config) as gateway:
            experts = gateway.gateway.experts
            wait_for("both are known", lambda: experts.behind("expert-main") and experts.is_awake("expert-main"))
            wait_for(
                "it has an activator", lambda: [one.tags for one in experts.instances("expert-main")] == [("awake",)]
            )
            expert.plan(always=act)
            assert gateway.chat().status in (429, 503)
            assert not second.script.requests
    finally:
        consul.deregister("activator-expert-main")
        consul.deregister("expert-main")
