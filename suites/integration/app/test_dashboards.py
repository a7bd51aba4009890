"""A real Prometheus finds the app's programs in a real Consul, and every panel of the app's dashboard has data."""

import math
import re
import time

import pytest

pytest.importorskip("uvicorn")

from fixtures.monitoring_files import OURS, ROLE, alert_cases, dashboards, queries
from fixtures.processes import wait_for
from fixtures.watched_app import JOBS, watched_app


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with watched_app(tmp_path_factory.mktemp("watched")) as found:
        yield found


def test_every_program_is_found_once_by_its_service(app):
    # Prometheus takes seconds to take up its first targets.
    app.make_traffic()
    wait_for("all are scraped", lambda: app.prometheus.jobs_up() == set(JOBS))
    targets = app.prometheus.ask("targets")["activeTargets"]
    found = sorted(one["labels"]["job"] for one in targets if one["scrapePool"] == "consul")
    # Three activators, and one power agent.
    assert found == ["moe-gateway", "pipecat-app", "power-agent"]
    assert {one["labels"].get("node") for one in targets if one["scrapePool"] == "consul"} == {"node-1"}


def test_every_panel_has_data_with_the_labels_of_its_legend(app):
    wanted = list(queries(dashboards()[ROLE / "files/dashboards/app.json"]))
    assert len(wanted) > 30
    missing = {query.expression: query for query in wanted}

    def has_all() -> bool:
        app.make_traffic()
        for expression, query in list(missing.items()):
            series = [one for one in app.prometheus.query(expression) if not math.isnan(float(one["value"][1]))]
            if series:
                for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
                    assert all(one["metric"].get(label) for one in series), query
                del missing[expression]
        return not missing

    deadline = time.monotonic() + 90
    while not has_all():
        assert time.monotonic() < deadline, {query.panel: text for text, query in missing.items()}


def test_the_cases_of_alerts_have_the_labels_of_the_real_series(app):
    """Else an alert would be tried on series that no program makes."""
    app.make_traffic()
    used: dict[str, set[str]] = {}
    for case in alert_cases():
        for series in case["series"]:
            name, _, labels = series.partition("{")
            used.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    ours = {name: labels for name, labels in used.items() if name.startswith(OURS)}
    assert len(ours) > 12
    for name, labels in ours.items():
        found = app.prometheus.query(name)
        assert found, name
        assert labels <= set(found[0]["metric"]), name


def test_alerts_of_a_running_app_are_those_that_it_deserves(app):
    """The node at a closed port is down. Of the app nothing is: its sleeping services are not either."""

    def states() -> dict[str, str]:
        groups = app.prometheus.ask("rules")["groups"]
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert all(rule["health"] in ("ok", "unknown") for rule in rules.values()), rules
        return {name: rule["state"] for name, rule in rules.items() if rule["health"] == "ok"}

    wait_for("the target that is down is reported", lambda: states().get("TargetDown") == "firing")
    calm = {"GatewayDown", "AgentDown", "PowerAgentDown", "SupervisorDown", "NoExpertPasses", "SupervisorWithoutLeader"}
    calm |= {"ExpertGone", "WakesFail", "SupervisorBlind", "MemoryNotKept"}
    wait_for("every rule was evaluated", lambda: calm <= states().keys())
    assert {name for name, state in states().items() if name in calm and state != "inactive"} == set()
