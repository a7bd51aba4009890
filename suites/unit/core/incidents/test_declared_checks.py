"""Who has the results of a job's checks."""

from typing import Any

import pytest

from evolve.core.incidents.declared_checks import check_providers

CHECK = [{"Name": "alive", "Type": "http"}]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, set()),
        ({"Services": None, "Tasks": None}, set()),
        ({"Services": [{"Name": "a", "Checks": None}]}, set()),
        ({"Services": [{"Name": "a", "Checks": CHECK}]}, {"consul"}),
        ({"Services": [{"Name": "a", "Provider": "nomad", "Checks": CHECK}]}, {"nomad"}),
        ({"Tasks": [{"Services": [{"Name": "a", "Provider": "", "Checks": CHECK}]}]}, {"consul"}),
    ],
)
def test_only_services_with_checks_count(group: dict[str, Any], expected: set[str]) -> None:
    assert check_providers({"TaskGroups": [group]}) == expected
