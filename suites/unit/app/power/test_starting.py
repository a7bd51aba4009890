import pytest

from evolve.cluster.nomad.jobs import Job
from evolve.core.model.errors import InputError
from pipecatapp.power.starting import Startable, in_order, startable


def names(*found):
    return [one.name for one in in_order(found)]


def thing(name, needs=()):
    return Startable(name, (f"{name}-service",), tuple(f"{one}-service" for one in needs))


def job(spec):
    return Job("a", "default", "service", "running", False, False, 0, "", False, False, 1, 1, 1, spec)


def test_what_is_needed_comes_first():
    assert names(thing("page", ["api"]), thing("api", ["store"]), thing("store")) == ["store", "api", "page"]


def test_a_service_of_its_own_and_one_that_no_job_provides_are_no_order():
    assert names(thing("a", ["a", "stranger"])) == ["a"]


def test_a_circle_is_named():
    with pytest.raises(InputError, match="in a circle: a -> b -> a"):
        in_order((thing("a", ["b"]), thing("b", ["a"])))


def test_services_of_groups_and_tasks_and_both_kinds_of_needs_are_read():
    mesh = {"SidecarService": {"Proxy": {"Upstreams": [{"DestinationName": "store"}]}}}
    group = {
        "Services": [{"Name": "page", "Connect": mesh}],
        "Tasks": [{"Name": "main", "Services": [{"Name": "page-admin"}]}],
    }
    found = startable(job({"Meta": {"depends_on": "api"}, "TaskGroups": [group]}))
    assert (found.provides, found.needs) == (("page", "page-admin"), ("api", "store"))


def test_a_job_without_groups_provides_nothing():
    assert startable(job({"TaskGroups": None})).provides == ()
