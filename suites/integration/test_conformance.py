"""Our verdicts against the recorded ones of promptfoo 0.121.20: at least 97 % equal, every difference explained."""

import os

import pytest

from fixtures import conformance_run as conformance


@pytest.fixture(scope="module")
def port():
    server = conformance.start_loopback()
    before = dict(os.environ)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def explained():
    return conformance.explanations()


def unexplained(comparison: conformance.Comparison, explained: dict[str, str]) -> list[str]:
    return [str(difference) for difference in comparison.differences if difference.id not in explained]


def test_single_assertions_give_promptfoos_verdicts(port, explained):
    comparison = conformance.compare_assertions(port)
    assert comparison.compared >= 400
    assert unexplained(comparison, explained) == []
    assert len(comparison.differences) <= 0.03 * comparison.compared
    ids = {case["id"] for case in conformance.assertion_cases()}
    assert {id for id in explained if id in ids} == {difference.id for difference in comparison.differences}


def test_whole_configs_give_promptfoos_rows(port, explained):
    names = conformance.config_names()
    assert len(names) >= 60
    comparisons = {name: conformance.compare_config(name, port) for name in names}
    assert [text for comparison in comparisons.values() for text in unexplained(comparison, explained)] == []
    found = {difference.id for comparison in comparisons.values() for difference in comparison.differences}
    assert len(found) <= 0.03 * sum(comparison.compared for comparison in comparisons.values())
    assert {id for id in explained if id.partition("/")[0] in comparisons} == found
