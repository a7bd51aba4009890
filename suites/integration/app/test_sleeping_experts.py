"""A chat request to a sleeping expert, through the gateway: late, and answered."""

import contextlib
import json
import socket
import threading

import pytest

from evolve.cluster.address import ClusterAddress
from fixtures.power_cluster import power_cluster, running_power_agent, sleeping_service
from fixtures.processes import wait_for
from fixtures.running_gateways import SHORT, running_gateway
from fixtures.sleeping_nodes import MAC, SleepingNode
from pipecatapp.gateway.config import GatewayConfig, Timeouts
from pipecatapp.power.config import LanWake

NAME = "expert-main"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with power_cluster(tmp_path_factory.mktemp("power")) as found:
        found.expert_job(NAME)
        yield found


@contextlib.contextmanager
def sleeping_expert(cluster, timeouts=SHORT, **options):
    """A gateway and a power agent, when the gateway knows that the expert sleeps."""
    config = GatewayConfig(consul=ClusterAddress(cluster.consul), timeouts=timeouts)
    service = sleeping_service(NAME, **options)
    with running_power_agent(cluster.config(service)) as agent, running_gateway(config) as gateway:
        wait_for("it sleeps", lambda: cluster.count(NAME) == 0 and cluster.state(NAME) == "asleep")
        wait_for("the gateway knows it", lambda: gateway.gateway.experts.activators(NAME))
        assert ready(gateway) == {NAME: False}
        yield gateway, agent


def ready(gateway):
    return {card["id"]: card["ready"] for card in gateway.ask("/v1/models").json["data"]}


def test_why_it_cannot_be_woken_reaches_the_client(cluster):
    cluster.nomad.write(f"/v1/job/{NAME}", {}, "DELETE")
    with sleeping_expert(cluster) as (gateway, _):
        reply = gateway.chat("hi")
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "somebody stopped the job" in reply.json["error"]["message"]
    cluster.expert_job(NAME)


def test_a_stream_of_a_sleeping_expert_has_comments_until_it_is_awake(cluster):
    quick = Timeouts(connect_s=2.0, idle_s=60.0, total_s=60.0, wake_s=0.2, comment_s=0.1)
    with sleeping_expert(cluster, quick, idle_s=0.3) as (gateway, _):
        # It can be answered, so that a load balancer sends the request that wakes it.
        assert gateway.ask("/health/ready").status == 200
        reply = gateway.chat("late", stream=True)
        assert reply.status == 200
        assert reply.body.startswith(b":")
        assert b"error" not in reply.body
        assert reply.body.endswith(b"data: [DONE]\n\n")


def test_many_requests_wake_it_once_and_all_are_answered(cluster):
    with sleeping_expert(cluster, idle_s=0.3) as (gateway, agent):
        replies = []
        threads = [
            threading.Thread(target=lambda number=number: replies.append(gateway.chat(f"n{number}")))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        texts = {reply.json["choices"][0]["message"]["content"] for reply in replies}
        assert texts == {f"echo: n{number}" for number in range(8)}
        assert agent.sample("power_agent_wakes_total", service=NAME, result="awake") == 1


def test_a_client_that_goes_ends_its_wait_in_the_activator_too(cluster):
    name = "expert-nap"
    with contextlib.closing(SleepingNode(cluster.consul, name, 1)) as node:
        service = sleeping_service(name, nomad=None, lan=LanWake(MAC, "127.0.0.1", node.udp_port))
        config = GatewayConfig(consul=ClusterAddress(cluster.consul), timeouts=SHORT)
        with running_power_agent(cluster.config(service)) as agent, running_gateway(config) as gateway:
            wait_for("the gateway knows it", lambda: name in ready(gateway))
            body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hi"}]}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", gateway.port)) as client:
                client.sendall(head.encode() + body)
                assert node.heard.wait(60)
            wait_for("nobody waits", lambda: agent.sample("power_agent_clients_gone_total", service=name) == 1)
            assert agent.sample("power_agent_clients", service=name, kind="waiting") == 0


def test_without_its_activator_an_expert_that_is_awake_is_asked_directly(cluster):
    config = GatewayConfig(consul=ClusterAddress(cluster.consul), timeouts=SHORT)
    with running_gateway(config) as gateway:
        with running_power_agent(cluster.config(sleeping_service(NAME))):
            wait_for("the gateway knows it", lambda: gateway.gateway.experts.activators(NAME))
            assert gateway.chat("hi").status == 200
            assert [one.tags for one in gateway.gateway.experts.instances(NAME)] == [("awake",)]
        wait_for("the gateway knows it", lambda: [one.tags for one in gateway.gateway.experts.instances(NAME)] == [()])
        assert gateway.chat("hi").status == 200
