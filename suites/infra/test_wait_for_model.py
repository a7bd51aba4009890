"""Role pipecatapp waits for its expert in a real Consul for a bounded time, and then it says what is the matter."""

import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.infra.verification.plays import Play, Played, Player
from fixtures.real_consul import started_consul

ROLE = Path(__file__).parents[2] / "roles/pipecatapp"
PLAY = [
    {
        "name": "Wait",
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "tasks": [{"name": "Wait", "ansible.builtin.import_tasks": str(ROLE / "tasks/wait_for_model.yml")}],
    }
]


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield url


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player() as found:
        yield found


def put(url: str, body: object = None) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="PUT"), timeout=10):
        pass


def register(consul: str, name: str) -> None:
    """A service whose check a test sets."""
    put(f"{consul}/v1/agent/service/register", {"Name": name, "Check": {"CheckID": f"of-{name}", "TTL": "600s"}})


def set_check(consul: str, name: str, status: str, output: str = "") -> None:
    put(f"{consul}/v1/agent/check/update/of-{name}", {"Status": status, "Output": output})


def wait(folder: Path, player: Player, consul: str, service: str, seconds: int) -> Played:
    (folder / "wait.yaml").write_text(yaml.safe_dump(PLAY))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yaml").write_text(yaml.safe_dump({"all": {"hosts": {"one": here}}}))
    given: dict[str, Any] = {
        "pipecatapp_consul_addr": consul,
        "pipecatapp_llm_service": service,
        "pipecatapp_llm_wait_s": seconds,
    }
    return player.play(Play(folder / "wait.yaml", folder / "hosts.yaml", (ROLE.parent,), given))


def test_an_expert_that_passes_is_not_waited_for(tmp_path: Path, player: Player, consul: str) -> None:
    register(consul, "expert-a")
    set_check(consul, "expert-a", "passing")
    played = wait(tmp_path, player, consul, "expert-a", 2)
    assert played.is_ok, played.why
    assert played.changed == ()


def test_one_that_passes_late_is_waited_for(tmp_path: Path, player: Player, consul: str) -> None:
    register(consul, "expert-late")
    late = threading.Timer(3.0, set_check, (consul, "expert-late", "passing"))
    late.start()
    played = wait(tmp_path, player, consul, "expert-late", 120)
    late.join()
    assert played.is_ok, played.why


def test_an_unknown_expert_is_named_with_the_next_step(tmp_path: Path, player: Player, consul: str) -> None:
    played = wait(tmp_path, player, consul, "expert-none", 2)
    assert not played.is_ok
    assert f"expert-none does not pass in Consul ({consul} on one) after 2 s" in played.why
    assert "Consul knows no instance of it. Run heal_cluster.yaml" in played.why


def test_what_its_check_got_is_in_the_message(tmp_path: Path, player: Player, consul: str) -> None:
    register(consul, "expert-ill")
    # Consul passes on what a check got when its state changes.
    set_check(consul, "expert-ill", "passing")
    set_check(consul, "expert-ill", "critical", "HTTP GET http://10.0.0.7:8080/health: 503 loading model")
    assert "503 loading model. Run heal_cluster.yaml" in wait(tmp_path, player, consul, "expert-ill", 2).why


def test_a_consul_that_does_not_answer_is_the_reason(tmp_path: Path, player: Player) -> None:
    assert "Connection refused" in wait(tmp_path, player, "http://127.0.0.1:1", "expert-a", 2).why
