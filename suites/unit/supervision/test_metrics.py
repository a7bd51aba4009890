import asyncio
import urllib.request

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.supervision.metrics import Metrics, MetricsServer


def test_each_number_has_help_type_and_value():
    metrics = Metrics(looks=3, incidents={"open": 2, "healing": 1}, is_leader=True)
    metrics.note_fault("Denied")
    metrics.note_fault("Denied")
    lines = metrics.text().splitlines()
    assert "anneal_supervisor_looks_total 3" in lines
    assert 'anneal_supervisor_incidents{state="open"} 2' in lines
    assert 'anneal_supervisor_cluster_faults_total{class="Denied"} 2' in lines
    assert "anneal_supervisor_leader 1" in lines
    assert all(line.startswith(("# HELP ", "# TYPE ", "anneal_supervisor_")) for line in lines)


def test_what_did_not_happen_yet_is_zero():
    lines = Metrics().text().splitlines()
    assert 'anneal_supervisor_cluster_faults_total{class="Unreachable"} 0' in lines
    assert 'anneal_supervisor_incidents{state="open"} 0' in lines
    assert "anneal_supervisor_decision_seconds_count 0" in lines


def test_times_and_large_counters_keep_their_last_digits():
    lines = Metrics(looks=12_345_678, answered_at=1_796_123_456.25).text().splitlines()
    assert "anneal_supervisor_cluster_answered_seconds 1796123456.25" in lines
    assert "anneal_supervisor_looks_total 12345678" in lines


def test_they_are_served_on_the_loopback_address():
    async def go() -> str:
        async with MetricsServer(0, lambda: "a 1\n") as server:
            url = f"http://127.0.0.1:{server.port}/metrics"
            return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())

    assert asyncio.run(go()) == "a 1\n"


def test_they_can_be_served_elsewhere():
    async def go() -> str:
        async with MetricsServer(0, lambda: "a 1\n", address="127.0.0.2") as server:
            url = f"http://127.0.0.2:{server.port}/metrics"
            return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())

    assert asyncio.run(go()) == "a 1\n"


def test_a_port_that_is_taken_is_an_error_that_names_it():
    async def go() -> None:
        async with MetricsServer(0, str) as first:
            with pytest.raises(EnvironmentFault, match=str(first.port)):
                async with MetricsServer(first.port, str):
                    pass

    asyncio.run(go())
