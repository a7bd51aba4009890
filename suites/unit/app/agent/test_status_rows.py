import asyncio

import pytest

from evolve.cluster.consul.values import ServiceCheck
from evolve.cluster.faults import Unreachable
from evolve.cluster.nomad.cluster import NomadNode
from evolve.cluster.nomad.jobs import JobStub
from pipecatapp.agent.status import StatusBoard
from pipecatapp.agent.status_rows import Sinces, job_rows, node_rows, own_rows, row, service_rows
from pipecatapp.wire.agent_events import RowState


def check(service, instance, status, name="port"):
    return ServiceCheck(f"{instance}-{name}", name, status, "", instance, service)


def states(rows):
    return {one.component: (one.state, one.detail) for one in rows}


def test_a_service_is_ok_while_one_instance_passes_and_says_what_fails():
    checks = [
        check("web", "w1", "passing"), check("web", "w1", "passing", "http"),
        check("web", "w2", "passing"), check("web", "w2", "critical", "http"),
        check("mqtt", "m1", "critical"), check("main", "e1", "warning"), check("", "", "critical", "serf"),
    ]  # fmt: skip
    rows = service_rows({"web": (), "mqtt": (), "main": (), "plain": ()}, checks, "http://consul:8500")
    assert states(rows) == {
        "web": (RowState.OK, "1 of 2 passing; not: http"),
        "mqtt": (RowState.FAILED, "0 of 1 passing; not: port"),
        "main": (RowState.WARNING, "0 of 1 passing; not: port"),
        "plain": (RowState.OK, "no checks"),
    }
    assert rows[-1].link == "http://consul:8500/ui/dc1/services/web"


def test_what_sleeps_is_asleep_and_not_missing():
    services = {
        "activator-big": ("activator", "asleep"), "activator-mid": ("activator", "asleep", "waking"),
        "activator-old": ("activator", "down"), "activator-plain": (),
    }  # fmt: skip
    rows = states(service_rows(services, [check("activator-big", "a", "passing")], ""))
    assert rows == {
        "activator-big": (RowState.ASLEEP, "big is asleep; the first request wakes it"),
        "activator-mid": (RowState.STARTING, "mid: waking"),
        "activator-old": (RowState.FAILED, "old: down"),
        "activator-plain": (RowState.OK, "no checks"),
    }


def node(name, status="ready", eligibility="eligible", is_draining=False):
    return NomadNode(f"id-{name}", name, "dc1", status, eligibility, is_draining, {}, "2.0.6", 1)


def test_a_node_that_takes_no_jobs_is_a_warning():
    nodes = [node("b", "down"), node("a"), node("c", eligibility="ineligible"), node("d", is_draining=True)]
    assert states(node_rows(nodes, "")) == {
        "node a": (RowState.OK, "ready"),
        "node b": (RowState.FAILED, "down"),
        "node c": (RowState.WARNING, "ready, takes no new jobs"),
        "node d": (RowState.WARNING, "ready, draining"),
    }


def job(id, status="running", kind="service", **fields):
    flags = {"is_stopped": False, "parent_id": "", "is_periodic": False, "is_parameterized": False, **fields}
    return JobStub(id, "default", kind, status, create_index=1, modify_index=1, job_modify_index=1, **flags)


def test_jobs_that_ended_or_start_others_are_left_out():
    jobs = [
        job("run"), job("wait", "pending"), job("broken", "dead"), job("done", "dead", "batch"),
        job("stopped", "dead", is_stopped=True), job("cron", is_periodic=True), job("child", parent_id="cron"),
    ]  # fmt: skip
    found = {one.component: one.state for one in job_rows(jobs, "")}
    assert found == {"job run": RowState.OK, "job wait": RowState.STARTING, "job broken": RowState.FAILED}


def test_the_agents_own_rows_show_warnings_and_a_missing_model():
    rows = states(own_rows(1.0, "smol", 0, ["keys are old"]))
    assert rows == {"agent": (RowState.WARNING, "keys are old"), "model": (RowState.FAILED, "smol, 0 endpoints")}


def test_since_is_the_change_that_was_seen():
    sinces = Sinces()
    assert sinces.dated([row("a", RowState.OK)], 10.0)[0].since is None, "nobody saw when that began"
    assert sinces.dated([row("a", RowState.FAILED)], 20.0)[0].since == 20.0
    assert sinces.dated([row("a", RowState.FAILED), row("b", RowState.OK, since=5.0)], 30.0)[0].since == 20.0
    assert sinces.dated([row("a", RowState.OK)], 40.0)[0].since == 40.0


def test_a_long_detail_is_one_line_and_cut():
    assert row("a", RowState.OK, "one\n two").detail == "one two"
    assert len(row("a", RowState.OK, "x" * 1000).detail) == 200


def test_a_source_that_fails_is_a_row_and_the_others_stay():
    async def good():
        return [row("fine", RowState.OK)]

    async def bad():
        raise Unreachable("connection refused", call="GET x")

    found = asyncio.run(StatusBoard({"nomad": bad, "agent": good}).rows())
    assert states(found) == {"nomad": (RowState.UNKNOWN, "connection refused"), "fine": (RowState.OK, "")}


@pytest.mark.parametrize(("seconds", "looks"), [(1.0, 1), (3.0, 2)])
def test_many_pages_cost_one_look(seconds, looks):
    now, count = [0.0], []

    async def source():
        count.append(1)
        return []

    async def ask():
        board = StatusBoard({"x": source}, clock=lambda: now[0])
        await board.rows()
        now[0] = seconds
        await asyncio.gather(*(board.rows() for _ in range(5)))

    asyncio.run(ask())
    assert len(count) == looks
