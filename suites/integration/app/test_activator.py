"""Services that sleep as jobs of Nomad, with a real Consul: first requests are late and not lost."""

import contextlib
import json
import random
import threading
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from evolve.cluster.address import ClusterAddress
from fixtures.idle_edges import MOMENTS, IdleEdges, Racer
from fixtures.power_cluster import power_cluster, running_power_agent, sleeping_service
from fixtures.processes import wait_for

SERVICES = ("expert-a", "expert-b", "expert-c", "expert-d", "expert-e")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with power_cluster(tmp_path_factory.mktemp("power")) as found:
        for name in SERVICES:
            found.expert_job(name)
        yield found


def chat(url, content="hi"):
    """Return status, headers and body."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"connection": "close"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.load(error)


def text_of(url, content):
    status, _, answer = chat(url, content)
    assert status == 200, answer
    return answer["choices"][0]["message"]["content"]


def in_parallel(work):
    """Run a work for each service, and return what they return."""
    results = {}

    def run(name):
        results[name] = work(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in SERVICES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(SERVICES), "a client failed: see above"
    return results


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_each_first_request_to_a_sleeping_expert_is_answered(cluster, rounds):
    """10 first requests in CI, 100 at night."""

    def work(name):
        texts = []
        for number in range(rounds):
            wait_for("it sleeps", lambda: cluster.count(name) == 0 and cluster.state(name) == "asleep")
            texts.append(text_of(agent.url(name), f"{name} {number}"))
        return texts

    with running_power_agent(cluster.config(*(sleeping_service(name, idle_s=0.3) for name in SERVICES))) as agent:
        assert in_parallel(work) == {
            name: [f"echo: {name} {number}" for number in range(rounds)] for name in SERVICES
        }  # fmt: skip
        for name in SERVICES:
            assert agent.sample("power_agent_wakes_total", service=name, result="awake") >= rounds
            wait_for("it sleeps again", lambda name=name: cluster.count(name) == 0)
            assert agent.sample("power_agent_wakes_total", service=name, result="failed") == 0


@pytest.mark.parametrize("races", [4, pytest.param(40, marks=pytest.mark.nightly)])
def test_no_request_at_the_idle_edge_is_lost(cluster, races):
    """20 races in CI, 200 at night: clients come while the job is read, while its count is set to 0, or about then."""
    chance = random.Random(18)
    config = cluster.config(*(sleeping_service(name, idle_s=0.3) for name in SERVICES))

    def race(name, number):
        racer = Racer(agent[name].port, f"{name} {number}")
        if (moment := chance.choice((*MOMENTS, "any"))) == "any":
            threading.Event().wait(0.3 + chance.uniform(0, 0.4))
            racer.come()
        else:
            edges.at[name] = moment, racer.come
        return racer.answer()

    edges = IdleEdges(cluster.nomad.url)
    with (
        contextlib.closing(edges),
        running_power_agent(replace(config, nomad=ClusterAddress(edges.url))) as agent,
    ):
        wake_all = in_parallel(lambda name: text_of(agent.url(name), name))
        assert wake_all == {name: f"echo: {name}" for name in SERVICES}
        assert in_parallel(lambda name: [race(name, number) for number in range(races)]) == {
            name: [f"echo: {name} {number}" for number in range(races)] for name in SERVICES
        }
        ended = {
            result: sum(agent.sample("power_agent_sleeps_total", service=name, result=result) for name in SERVICES)
            for result in ("asleep", "kept")
        }
        assert all(ended.values()), ended
