import pytest

from evolve.core.incidents.dependencies import dependencies_of

PROXY = {"Upstreams": [{"DestinationName": "db", "LocalBindPort": 5432}, {"DestinationName": "cache"}]}
SERVICE = {"Name": "web", "Connect": {"SidecarService": {"Proxy": PROXY}}}


@pytest.mark.parametrize(
    ("job", "names"),
    [
        ({"TaskGroups": [{"Services": [SERVICE]}]}, ("cache", "db")),
        ({"Meta": {"depends_on": "queue, db"}, "TaskGroups": [{"Services": [SERVICE]}]}, ("cache", "db", "queue")),
        ({"Meta": None, "TaskGroups": [{"Services": None}]}, ()),
        ({"TaskGroups": [{"Services": [{"Name": "web", "Connect": {"SidecarService": {"Proxy": None}}}]}]}, ()),
        ({}, ()),
    ],
)
def test_upstreams_and_declared_services_are_dependencies(job, names):
    assert dependencies_of(job) == names
