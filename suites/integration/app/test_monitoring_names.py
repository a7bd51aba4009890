"""Dashboards and alerts name nothing that no program exports: an empty panel shows no fault of anybody."""

import re
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from evolve.supervision.metrics import Metrics as SupervisorMetrics
from fixtures.monitoring_files import OURS, all_rules, dashboards, metric_names, queries
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.gateway.metrics import Metrics as GatewayMetrics
from pipecatapp.power.metrics import PowerMetrics

OTHERS = ("node_", "prometheus_", "llamacpp:")
"""Of programs that are not ours: their tests run on hosts that have them (roles/monitoring/molecule)."""
OF_PROMETHEUS = {"up", "ALERTS", "scrape_duration_seconds"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def exported() -> set[str]:
    """The names of all series that our programs export, before anything happened too."""
    registries: Iterable[CollectorRegistry] = (made().registry for made in (GatewayMetrics, AgentMetrics, PowerMetrics))
    families = [family for registry in registries for family in registry.collect()]
    found = {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}
    page = SupervisorMetrics(faults={"A": 1}, incidents={"open": 1}, healings={"done": 1}).text()
    return found | {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with where it is."""
    for rule in all_rules():
        yield f"alert {rule['alert']}", rule["expr"]
    for path, dashboard in dashboards().items():
        for query in queries(dashboard):
            yield f"{path.name}: {query.panel}", query.expression
        for variable in dashboard["templating"]["list"]:
            found = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])
            assert found, variable
            yield f"{path.name}: variable {variable['name']}", found[1]


ASKED = list(asked())


@pytest.mark.parametrize(("where", "expression"), ASKED, ids=[where for where, _ in ASKED])
def test_what_is_asked_is_exported(where, expression):
    names = metric_names(expression)
    assert names, f"{where}: no metric in {expression}"
    unknown = {
        name for name in names - exported() - OF_PROMETHEUS if name.startswith(OURS) or not name.startswith(OTHERS)
    }
    assert unknown == set(), f"{where} asks for what nothing exports"


def test_all_that_is_exported_is_on_a_dashboard():
    shown = {name for where, expression in ASKED if not where.startswith("alert ") for name in metric_names(expression)}
    # Of a histogram the buckets are shown.
    missing = {
        name
        for name in exported() - shown
        if name.removesuffix("_count").removesuffix("_sum") + "_bucket" not in exported()
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up == 0", {"up"}),
        ('up{job!~`(a|b):.*`, x="y_total"} == 0', {"up"}),
        ('sum by (le, model) (rate(a_total{b="c"}[5m])) > 5 and on (d) e:f unless g', {"a_total", "e:f", "g"}),
        ("time() - max by (job) (x_seconds) > 120", {"x_seconds"}),
        ("a / on (job) group_left (x) b", {"a", "b"}),
    ],
)
def test_names_are_read_from_expressions(expression, names):
    assert metric_names(expression) == names


def test_panels_have_units_and_legends():
    for dashboard in dashboards().values():
        for query in queries(dashboard):
            assert query.unit, query
            assert query.legend, query
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_dashboards_need_nothing_from_outside():
    """No address, no plug-in and no picture of another server: only Grafana's own panels, on the provisioned source."""
    for path, dashboard in dashboards().items():
        assert "://" not in path.read_text(), path
        assert {panel["type"] for panel in dashboard["panels"]} <= {"timeseries", "stat"}, path
        sources = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
        assert sources == {"anneal-prometheus"}, path
