"""`cluster_mesh` on and off again by role bootstrap_agent, with a real Consul; a program in the place of llama-server.

The role changes nothing on its host, so that the plays run on this machine.
"""

import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.infra.verification.plays import Play, Played, Player
from fixtures.mesh_experts import mesh_at
from fixtures.nomad_standins import agent, purge_all
from fixtures.real_consul import free_ports, started_consul

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "roles/bootstrap_agent/molecule/default/files/llama-server"
ALLOWED = {("moe-gateway", "allow"), ("*", "deny")}


def write_inventory(folder: Path) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yaml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": local}}}))


class Cluster:
    """The role, played on this machine."""

    def __init__(self, mesh: Any, nomad: Any, player: Player, folder: Path) -> None:
        self.mesh, self.nomad, self._player, self._folder = mesh, nomad, player, folder
        program = folder / "llama_cpp/current/bin/llama-server"
        program.parent.mkdir(parents=True)
        shutil.copy(SERVER, program)
        program.chmod(0o755)
        (folder / "small.gguf").touch()
        write_inventory(folder)
        (folder / "play.yaml").write_text(
            yaml.safe_dump([{"name": "Play", "hosts": "all", "gather_facts": False, "roles": ["bootstrap_agent"]}])
        )
        self._given = {
            "bootstrap_agent_nomad_addr": nomad.url,
            "bootstrap_agent_consul_addr": mesh.address.url,
            "bootstrap_agent_llama_cpp_home": str(folder / "llama_cpp"),
            "bootstrap_agent_models_dir": str(folder),
            "bootstrap_agent_models": [{"file": "small.gguf", "memory_mb": 64}],
            "bootstrap_agent_main_port": free_ports(1)[0],
            "bootstrap_agent_healthy_after_s": 1,
            "bootstrap_agent_settle_s": 20,
            "bootstrap_agent_wait_s": 60,
        }

    def play(self, *, is_check: bool = False, **given: Any) -> Played:
        """Play the role."""
        extra = {**self._given, **{f"bootstrap_agent_{name}": value for name, value in given.items()}}
        play = Play(self._folder / "play.yaml", self._folder / "hosts.yaml", (ROOT / "roles",), extra, is_check)
        return self._player.play(play)

    def intentions(self) -> set[tuple[str, str]]:
        """Who may and who may not connect to the expert."""
        found = self.mesh.do(lambda client: client.intentions.list())
        return {(one.source, one.action) for one in found if one.destination == "expert-main"}

    def mode(self) -> str:
        """The mode of the job, empty where there is none."""
        try:
            return str(self.nomad.read("/v1/job/llamacpp-rpc")["Meta"].get("mesh", "off"))
        except urllib.error.HTTPError:
            return ""

    def proxies(self) -> int:
        """How many proxies of the expert are in Consul."""
        return len(self.mesh.do(lambda client: client.health.connect("expert-main")))


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    for name in ("consul", "nomad", "logs"):
        (tmp_path / name).mkdir()
    with (
        started_consul(tmp_path / "consul") as url,
        mesh_at(url, tmp_path / "logs") as mesh,
        agent(tmp_path / "nomad", consul=url) as nomad,
        Player() as player,
    ):
        yield Cluster(mesh, nomad, player, tmp_path)
        purge_all(nomad)


def changes(played: Played) -> list[str]:
    assert played.is_ok, played.why
    return [line.task for line in played.changed]


def test_the_mesh_is_switched_on_and_off_again(cluster: Cluster) -> None:
    # A value as YAML 1.1 reads it: a bare `off`.
    assert "Register the job" in changes(cluster.play(mesh=False))
    assert (cluster.mode(), cluster.intentions(), cluster.proxies()) == ("off", set(), 0)

    assert changes(cluster.play(mesh="proxy", is_check=True)) == [
        "Say what check mode left out",
        "Say what check mode left out",
    ]
    assert (cluster.mode(), cluster.intentions()) == ("off", set())

    # A running job is left alone in other cases; in another mode nobody would reach it, or everybody.
    assert changes(cluster.play(mesh="proxy")) == ["Write intentions", "Register the job"]
    assert (cluster.mode(), cluster.intentions()) == ("proxy", ALLOWED)
    cluster.mesh.wait_until(lambda: len(cluster.mesh.passing("expert-main")) == 1, "the proxy passes")
    assert changes(cluster.play(mesh="proxy")) == []
    assert changes(cluster.play(mesh="proxy", is_check=True)) == []

    assert changes(cluster.play(mesh="off")) == [
        "Remove intentions that are no longer wanted",
        "Register the job",
    ]
    assert (cluster.mode(), cluster.intentions(), cluster.proxies()) == ("off", set(), 0)
    assert changes(cluster.play(mesh="off")) == []


def test_intentions_of_others_are_kept_and_contrary_ones_refused(cluster: Cluster) -> None:
    mine = cluster.mesh.intend("batch-jobs", "allow")
    contrary = cluster.mesh.intend("moe-gateway", "deny")
    refused = cluster.play(mesh="proxy")
    assert "consul intention delete 'moe-gateway' expert-main" in refused.why
    assert cluster.mode() == ""
    cluster.mesh.do(lambda client: client.intentions.delete(contrary))
    assert "Write intentions" in changes(cluster.play(mesh="proxy"))
    changes(cluster.play(mesh="off"))
    assert {one.id for one in cluster.mesh.do(lambda client: client.intentions.list())} == {mine}


def test_a_mode_that_does_not_exist_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    write_inventory(tmp_path)
    role = {"name": "common", "tasks_from": "mesh_preflight"}
    given = {"common_mesh_name": "cluster_mesh", "common_mesh": "{{ cluster_mesh }}"}
    task = {"name": "Check the mode", "ansible.builtin.include_role": role, "vars": given}
    (tmp_path / "play.yaml").write_text(
        yaml.safe_dump([{"name": "Play", "hosts": "all", "gather_facts": False, "tasks": [task]}])
    )
    with Player() as player:

        def why(value: object) -> str:
            extra = {"cluster_mesh": value}
            played = player.play(Play(tmp_path / "play.yaml", tmp_path / "hosts.yaml", (ROOT / "roles",), extra))
            return played.why

        assert "cluster_mesh=proxi on localhost is unknown, did you mean proxy?" in why("proxi")
        assert "did you mean sidecar_service?" in why("sidecar")
        assert "cluster_mesh=envoy on localhost is unknown. Choose off, sidecar_service" in why("envoy")
        assert [why(value) for value in (False, "off", "proxy", "sidecar_service")] == [""] * 4
