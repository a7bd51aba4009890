"""How commands find a demo cluster, and what goes before it."""

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.cluster.demo.state_file import (
    DemoCluster,
    consul_or_demo,
    demo_folder,
    forget_demo,
    nomad_or_demo,
    running_demo,
)
from evolve.core.model.errors import StoreFault
from evolve.system.process_owner import Owner


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"EVOLVE_CACHE_DIR": str(tmp_path)}


@pytest.fixture
def demo(env: dict[str, str]) -> DemoCluster:
    """A cluster of this process, which is known."""
    folder = demo_folder(env)
    one = DemoCluster(
        "id", str(Owner.current()), "http://127.0.0.1:1", "http://127.0.0.1:2", {"demo-web": 3}, True, folder
    )
    one.write()
    return one


def test_a_running_demo_is_found_as_it_was_written(env, demo):
    assert running_demo(env) == demo
    assert (nomad_or_demo(env).url, consul_or_demo(env).url) == (demo.nomad, demo.consul)


def test_addresses_of_the_environment_go_before_it(env, demo):
    given = {**env, "NOMAD_ADDR": "http://127.0.0.1:4", "CONSUL_HTTP_ADDR": "http://127.0.0.1:5"}
    assert (nomad_or_demo(given).url, consul_or_demo(given).url) == ("http://127.0.0.1:4", "http://127.0.0.1:5")


def test_the_demo_s_consul_does_not_go_with_another_nomad(env, demo):
    assert consul_or_demo({**env, "NOMAD_ADDR": "http://127.0.0.1:4"}) is None
    assert consul_or_demo({**env, "NOMAD_ADDR": demo.nomad}).url == demo.consul


def test_none_is_found_before_the_first_and_after_the_end(env):
    assert (running_demo(env), nomad_or_demo(env), consul_or_demo(env)) == (None, None, None)


def test_one_whose_owner_was_killed_is_not_found(env, demo):
    ended = replace(Owner.current(), start="1")
    replace(demo, owner=str(ended)).write()
    assert running_demo(env) is None


def test_a_forgotten_one_is_not_found(env, demo):
    forget_demo(demo.folder)
    assert running_demo(env) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"id": "x"}'])
def test_a_file_that_cannot_be_read_names_what_removes_it(env, demo, text):
    (demo.folder / "cluster.json").write_text(text)
    with pytest.raises(StoreFault, match=r"\./bootstrap\.sh cluster stop removes them"):
        running_demo(env)
