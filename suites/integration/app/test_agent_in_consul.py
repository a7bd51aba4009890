"""The agent's model as a service of a real Consul, and Consul's services in its table of components."""

import asyncio
import json

import pytest

pytest.importorskip("prometheus_client")

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from fixtures.loopback_server import refusing_url
from fixtures.processes import wait_for
from fixtures.real_consul import started_consul
from fixtures.running_agents import page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from pipecatapp.agent.config import AgentConfig, ModelConfig
from pipecatapp.wire.agent_events import ErrorMessage, Outcome, Say, TurnEnded


def with_consul(url, work):
    async def inside():
        async with ConsulClient(ClusterAddress(url)) as client:
            await work(client)

    asyncio.run(inside())


def service(name, port, status="passing"):
    return {
        "ID": name, "Name": name, "Address": "127.0.0.1", "Port": port, "Meta": {"model": "smol"},
        "Check": {"CheckID": f"check-{name}", "Name": "port", "TTL": "1h", "Status": status},
    }  # fmt: skip


def rows_of(agent):
    cookie = agent.log_in()
    found = json.loads(agent.ask("/api/status", headers={"cookie": cookie}).data)["rows"]
    return {row["component"]: (row["state"], row["detail"]) for row in found}


def say(agent):
    async def inside():
        async with page_of(agent, agent.log_in()) as page:
            await page.send(Say("hello"))
            ended = await page.until(TurnEnded)
            return ended, [one.text for one in page.got if isinstance(one, ErrorMessage)], page.got[0]

    return asyncio.run(inside())


def test_the_model_is_found_by_its_service_and_the_table_follows_consul(tmp_path):
    with started_consul(tmp_path) as url, scripted_twin() as model:
        config = AgentConfig(ModelConfig(service="expert-main"), consul=ClusterAddress(url))
        with running_agent(config) as agent:
            ended, errors, _ = say(agent)
            assert ended.outcome is Outcome.FAILED
            assert errors == ["no instance of expert-main passes its checks"]
            assert rows_of(agent)["model"] == ("failed", "expert-main, 0 endpoints")
            with_consul(url, lambda client: client.services.register(service("expert-main", model.port)))
            with_consul(url, lambda client: client.services.register(service("mqtt", 1, "critical")))
            wait_for("the model is found", lambda: rows_of(agent).get("model") == ("ok", "smol, 1 endpoint"))
            ended, errors, hello = say(agent)
            assert (ended.outcome, ended.text, errors, hello.model) == (Outcome.ANSWERED, "You said: hello", [], "smol")
            wait_for("mqtt is in the table", lambda: "mqtt" in rows_of(agent))
            rows = rows_of(agent)
            assert rows["expert-main"] == ("ok", "1 passing")
            assert rows["mqtt"] == ("failed", "0 of 1 passing; not: port")


def test_without_consul_the_table_says_so():
    config = AgentConfig(ModelConfig(refusing_url()), consul=ClusterAddress(refusing_url()))
    with running_agent(config) as agent:
        rows = rows_of(agent)
    assert rows["consul"][0] == "unknown"
    assert rows["agent"][0] == "ok"
