"""Services that sleep as jobs of Nomad, with a real Consul: first requests are late and not lost."""

import contextlib
import functools
import json
import random
import threading
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from evolve.cluster.address import ClusterAddress
from fixtures.idle_edges import MOMENTS, IdleEdges, Racer
from fixtures.nomad_contract import a_job
from fixtures.power_cluster import power_cluster, running_power_agent, sleeping_service
from fixtures.processes import wait_for

SERVICES = tuple(f"expert-{letter}" for letter in "abcdefghij")


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


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.nightly)])
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


@pytest.mark.parametrize("races", [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_no_request_at_the_idle_edge_is_lost(cluster, races):
    """20 races in CI, 200 at night: clients come while the job is read, while its count is set to 0, or about then."""
    chance = random.Random(18)
    config = cluster.config(*(sleeping_service(name, idle_s=0.3) for name in SERVICES))

    def come_and_be_seen(name, racer):
        racer.come()
        wait_for("it was seen", lambda: agent[name].state.waiting or agent[name].state.served)

    def race(name, number):
        racer = Racer(agent[name].port, f"{name} {number}")
        moments = (*MOMENTS, "any")
        moment = moments[(SERVICES.index(name) + number) % len(moments)]
        # The moment is set while the service is awake.
        assert text_of(agent.url(name), name) == f"echo: {name}"
        if moment == "any":
            threading.Event().wait(0.3 + chance.uniform(0, 0.4))
            racer.come()
            return racer.answer()
        # Seen before the job was read, a client keeps it from being written.
        come = functools.partial(come_and_be_seen, name, racer) if moment == "read" else racer.come
        edges.at[name] = moment, come
        while not racer.has_come(5):
            # It fell asleep before the moment was set: it has to be awake once more.
            assert text_of(agent.url(name), name) == f"echo: {name}"
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


@contextlib.contextmanager
def agent_at_the_edges(cluster, **options):
    """An agent with one service, which is awake, and the proxy between it and Nomad."""
    name = SERVICES[0]
    edges = IdleEdges(cluster.nomad.url)
    config = replace(cluster.config(sleeping_service(name, idle_s=0.3, **options)), nomad=ClusterAddress(edges.url))
    with contextlib.closing(edges), running_power_agent(config) as agent:
        assert text_of(agent.url(name), "hi") == "echo: hi"
        yield name, agent, edges


def test_a_job_that_somebody_changed_meanwhile_is_not_written_over(cluster):
    def change():
        spec = cluster.nomad.read(f"/v1/job/{SERVICES[0]}")
        cluster.nomad.register({**spec, "Priority": 60})

    with agent_at_the_edges(cluster) as (name, agent, edges):
        edges.at[name] = "before", change
        wait_for("it tried", lambda: agent.sample("power_agent_sleeps_total", service=name, result="kept") == 1)
        wait_for("it sleeps later", lambda: cluster.count(name) == 0)
        assert cluster.nomad.read(f"/v1/job/{name}")["Priority"] == 60


def test_a_write_without_an_answer_is_looked_up(cluster):
    def lose():
        raise ConnectionError

    with agent_at_the_edges(cluster) as (name, agent, edges):
        edges.at[name] = "after", lose
        wait_for("it sleeps", lambda: cluster.count(name) == 0)
        assert text_of(agent.url(name), "again") == "echo: again"
        assert agent.sample("power_agent_sleeps_total", service=name, result="asleep") == 1


def test_a_service_with_a_second_activator_is_never_put_to_sleep(cluster):
    with contextlib.ExitStack() as second:
        second.enter_context(running_power_agent(cluster.config(sleeping_service(SERVICES[0]))))
        with agent_at_the_edges(cluster) as (name, agent, _):
            wait_for("it tried", lambda: agent.sample("power_agent_sleeps_total", service=name, result="kept") > 0)
            assert cluster.count(name) == 1
            second.close()
            wait_for("it sleeps", lambda: cluster.count(name) == 0)


def test_consul_shows_what_is_so_and_never_a_passing_expert_that_sleeps(cluster):
    with agent_at_the_edges(cluster) as (name, _, _):
        assert cluster.state(name) in ("awake", "retiring")
        wait_for("it sleeps", lambda: cluster.state(name) == "asleep")
        (found,) = cluster.passing(f"activator-{name}")
        assert found["Service"]["Tags"] == ["activator", "asleep"]
        wait_for("its instance is gone", lambda: cluster.health(name) == [])


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda _: None, "Nomad has no job expert-none"),
        (
            lambda nomad: (
                nomad.register(a_job(ID="expert-none")),
                nomad.write("/v1/job/expert-none", {}, "DELETE"),
            ),
            "somebody stopped the job expert-none: `nomad job start expert-none` undoes that",
        ),
    ],
    ids=["no job", "a stopped job"],
)
def test_a_wake_that_fails_is_a_503_with_the_reason_for_all_who_wait(cluster, prepare, reason):
    prepare(cluster.nomad)
    with running_power_agent(cluster.config(sleeping_service("expert-none", retry_s=60.0))) as agent:
        for number in (1, 2):
            status, headers, answer = chat(agent.url("expert-none"))
            assert (status, headers["retry-after"]) == (503, "60")
            assert answer["error"]["code"] == "wake_failed"
            assert reason in answer["error"]["message"]
            refused = agent.sample("power_agent_refused_total", service="expert-none", reason="wake_failed")
            assert refused == number
        # The second one was refused by the failure of the first: nobody asked Nomad again.
        assert agent.sample("power_agent_wakes_total", service="expert-none", result="failed") == 1
        wait_for(
            "Consul shows the reason",
            lambda: reason in cluster.passing("activator-expert-none")[0]["Service"]["Meta"]["failure"],
        )


def test_a_job_that_crashes_is_shown_as_down_and_waited_for(cluster):
    name = "expert-crashing"
    cluster.nomad.register(a_job("exit 1", ID=name))
    with running_power_agent(cluster.config(sleeping_service(name, timeout_s=0.5))) as agent:
        wait_for("Consul shows it", lambda: cluster.state(name) == "down")
        status, _, answer = chat(agent.url(name))
        assert (status, answer["error"]["code"]) == (503, "timeout")
    cluster.nomad.write(f"/v1/job/{name}?purge=true", {}, "DELETE")
