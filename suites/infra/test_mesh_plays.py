"""`cluster_mesh` on and off again by role bootstrap_agent, with a real Consul; a program in the place of llama-server.

The role changes nothing on its host, so that the plays run on this machine.
"""

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.infra.verification.plays import Play, Played, Player
from fixtures.mesh_experts import MeshOfExperts, mesh_at
from fixtures.nomad_standins import agent, purge_all
from fixtures.real_consul import free_ports, started_consul

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "roles/bootstrap_agent/molecule/default/files/llama-server"
ALLOWED = {("moe-gateway", "allow"), ("*", "deny")}


class Plays:
    """Playbooks for this machine."""

    def __init__(self, player: Player, folder: Path) -> None:
        self._player, self._folder = player, folder
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.yaml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": local}}}))

    def write(self, *tasks: dict[str, Any]) -> None:
        """Write the tasks that are played."""
        play = {"name": "Play", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        (self._folder / "play.yaml").write_text(yaml.safe_dump([play]))

    def play(self, given: Mapping[str, Any], *, is_check: bool = False) -> Played:
        """Play them."""
        inventory = self._folder / "hosts.yaml"
        return self._player.play(Play(self._folder / "play.yaml", inventory, (ROOT / "roles",), given, is_check))


@pytest.fixture
def plays(tmp_path: Path) -> Iterator[Plays]:
    with Player() as player:
        yield Plays(player, tmp_path)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[MeshOfExperts]:
    for name in ("consul", "logs"):
        (tmp_path / name).mkdir()
    with started_consul(tmp_path / "consul") as url, mesh_at(url, tmp_path / "logs") as found:
        yield found


def intentions(mesh: MeshOfExperts) -> set[tuple[str, str]]:
    """Who may and who may not connect to the expert."""
    found = mesh.do(lambda client: client.intentions.list())
    return {(one.source, one.action) for one in found if one.destination == "expert-main"}


def include(role: str, tasks: str, **given: Any) -> dict[str, Any]:
    source = {"name": role, "tasks_from": tasks}
    return {"name": f"Include {tasks}", "ansible.builtin.include_role": source, "vars": given}


def changes(played: Played) -> list[str]:
    assert played.is_ok, played.why
    return [line.task for line in played.changed]


def test_the_job_and_its_intentions_follow_the_mode(plays: Plays, mesh: MeshOfExperts, tmp_path: Path) -> None:
    program = tmp_path / "llama_cpp/current/bin/llama-server"
    program.parent.mkdir(parents=True)
    shutil.copy(SERVER, program)
    program.chmod(0o755)
    (tmp_path / "small.gguf").touch()
    (tmp_path / "nomad").mkdir()
    plays.write(include("bootstrap_agent", "main"))
    with agent(tmp_path / "nomad", consul=mesh.address.url) as nomad:
        given = {
            "bootstrap_agent_nomad_addr": nomad.url,
            "bootstrap_agent_consul_addr": mesh.address.url,
            "bootstrap_agent_llama_cpp_home": str(tmp_path / "llama_cpp"),
            "bootstrap_agent_models_dir": str(tmp_path),
            "bootstrap_agent_models": [{"file": "small.gguf", "memory_mb": 64}],
            "bootstrap_agent_main_port": free_ports(1)[0],
            "bootstrap_agent_healthy_after_s": 1,
            "bootstrap_agent_settle_s": 20,
            "bootstrap_agent_wait_s": 120,
        }

        def mode() -> str:
            return str(nomad.read("/v1/job/llamacpp-rpc")["Meta"].get("mesh", "off"))

        proxy = {**given, "bootstrap_agent_mesh": "proxy"}
        assert changes(plays.play(proxy)) == ["Write intentions", "Register the job"]
        assert (mode(), intentions(mesh)) == ("proxy", ALLOWED)
        mesh.wait_until(lambda: len(mesh.passing("expert-main")) == 1, "the proxy passes")
        assert changes(plays.play(proxy)) == []
        # A running job is left alone in other cases; in another mode nobody would reach it, or everybody.
        # The value is that of a bare `off` in YAML.
        off = {**given, "bootstrap_agent_mesh": False}
        assert changes(plays.play(off)) == ["Remove intentions that are no longer wanted", "Register the job"]
        assert (mode(), intentions(mesh)) == ("off", set())
        assert mesh.do(lambda client: client.health.connect("expert-main")) == ()
        purge_all(nomad)


def test_intentions_are_written_once_and_those_of_others_are_kept(plays: Plays, mesh: MeshOfExperts) -> None:
    given = {"service": "expert-main", "consul_addr": mesh.address.url, "consul_token": ""}
    plays.write(include("common", "mesh_intentions", **{f"common_mesh_{name}": value for name, value in given.items()}))
    on, off = {"common_mesh_sources": ["moe-gateway"]}, {"common_mesh_sources": []}
    kept = mesh.intend("batch-jobs", "allow")
    mine = {("batch-jobs", "allow")}
    assert changes(plays.play(on, is_check=True)) == ["Say what check mode left out"]
    assert intentions(mesh) == mine
    assert changes(plays.play(on)) == ["Write intentions"]
    assert intentions(mesh) == ALLOWED | mine
    assert changes(plays.play(on)) == []
    assert changes(plays.play(on, is_check=True)) == []
    # Somebody has turned one of ours.
    (ours,) = (one for one in mesh.do(lambda client: client.intentions.list()) if one.source == "*")
    turned = {
        "SourceName": "*",
        "DestinationName": "expert-main",
        "Action": "allow",
        "Meta": {"anneal": "cluster_mesh"},
    }
    request = urllib.request.Request(
        f"{mesh.address.url}/v1/connect/intentions/{ours.id}", json.dumps(turned).encode(), method="PUT"
    )
    urllib.request.urlopen(request).close()
    assert ("*", "allow") in intentions(mesh)
    assert changes(plays.play(on)) == ["Write intentions"]
    assert intentions(mesh) == ALLOWED | mine
    assert changes(plays.play(off, is_check=True)) == ["Say what check mode left out"]
    assert changes(plays.play(off)) == ["Remove intentions that are no longer wanted"]
    assert {one.id for one in mesh.do(lambda client: client.intentions.list())} == {kept}

    contrary = mesh.intend("moe-gateway", "deny")
    assert "consul intention delete 'moe-gateway' expert-main" in plays.play(on).why
    assert {one.id for one in mesh.do(lambda client: client.intentions.list())} == {kept, contrary}


def test_a_consul_that_does_not_answer_matters_only_in_a_mesh(plays: Plays) -> None:
    (port,) = free_ports(1)
    given = {"service": "expert-main", "consul_addr": f"http://127.0.0.1:{port}", "consul_token": ""}
    plays.write(include("common", "mesh_intentions", **{f"common_mesh_{name}": value for name, value in given.items()}))
    assert changes(plays.play({"common_mesh_sources": []})) == []
    assert "does not give localhost the intentions" in plays.play({"common_mesh_sources": ["moe-gateway"]}).why


def test_a_mode_that_does_not_exist_is_refused_with_what_was_meant(plays: Plays) -> None:
    plays.write(include("common", "mesh_preflight", common_mesh_name="cluster_mesh", common_mesh="{{ cluster_mesh }}"))

    def why(value: object) -> str:
        return plays.play({"cluster_mesh": value}).why

    assert "cluster_mesh=proxi on localhost is unknown, did you mean proxy?" in why("proxi")
    assert "did you mean sidecar_service?" in why("sidecar")
    assert "cluster_mesh=envoy on localhost is unknown. Choose off, sidecar_service" in why("envoy")
    assert [why(value) for value in (False, "off", "proxy", "sidecar_service")] == [""] * 4
