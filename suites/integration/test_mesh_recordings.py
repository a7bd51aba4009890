"""Recordings 40 and 41 of a real Nomad with Consul's mesh, against the stand-in and the jobs of our role."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fixtures.mesh_experts import mesh_at
from fixtures.nomad_standins import agent, purge_all, until
from fixtures.real_consul import free_ports, started_consul
from fixtures.role_templates import expert_job

RECORDINGS = Path(__file__).parents[2] / "fixtures/nomad"
MODEL = [{"file": "small.gguf", "memory_mb": 64}]


def steps(name: str) -> list[Any]:
    return list(json.loads((RECORDINGS / name).read_text())["steps"])


BRIDGE = steps("40-nomad-connect-without-envoy.json")
PLAIN = steps("41-mesh-as-plain-tasks.json")


def job_of(step: Any) -> Any:
    return step["request"]["body"]["Job"]


@pytest.fixture(scope="module")
def nomad(tmp_path_factory: pytest.TempPathFactory):
    with agent(tmp_path_factory.mktemp("nomad")) as found:
        yield found


def plan(nomad: Any, job: Any) -> Any:
    return nomad.write(f"/v1/job/{job['ID']}/plan", {"Job": job, "Diff": True})


def test_a_sidecar_without_a_bridge_is_refused_in_nomad_s_words(nomad) -> None:
    refused = next(step for step in BRIDGE if step.get("response", {}).get("status") == 500)
    for send in (nomad.register, lambda job: plan(nomad, job)):
        with pytest.raises(urllib.error.HTTPError) as error:
            send(job_of(refused))
        assert (error.value.code, error.value.read().decode()) == (500, refused["response"]["body"])


def test_a_registered_job_gets_what_the_recorded_one_got(nomad) -> None:
    shown = next(step for step in BRIDGE if step["request"]["path"] == "/v1/job/conb")["response"]["body"]
    given = next(job_of(step) for step in BRIDGE if (step["request"]["body"] or {}).get("Job", {}).get("ID") == "conb")
    nomad.register(given)
    (group,), (recorded,) = nomad.read("/v1/job/conb")["TaskGroups"], shown["TaskGroups"]
    assert group["Constraints"] == recorded["Constraints"]
    assert group["Networks"][0]["DynamicPorts"] == recorded["Networks"][0]["DynamicPorts"]
    assert group["Tasks"] == recorded["Tasks"]
    # Read, and registered again: as it was.
    nomad.register(nomad.read("/v1/job/conb"))
    assert nomad.read("/v1/job/conb")["Version"] == 0
    purge_all(nomad)


def test_the_plan_of_our_sidecar_job_is_accepted_and_says_what_its_nodes_need(nomad, tmp_path) -> None:
    job = expert_job(mesh="sidecar_service", models=MODEL)
    planned = plan(nomad, job)
    assert planned["Diff"]["Type"] == "Added"
    (added,) = planned["Diff"]["TaskGroups"]
    assert {one["Name"] for one in added["Tasks"]} == {"llama-server", "connect-proxy-expert-main"}
    # This node has no Consul and no bridge.
    assert set(planned["FailedTGAllocs"]) == {"main"}
    with pytest.raises(urllib.error.HTTPError):
        nomad.read(f"/v1/job/{job['ID']}")


def test_our_sidecar_job_names_nothing_that_nomad_would_ignore() -> None:
    # Unknown keys are no error for Nomad: each key of ours must be one that it showed back.
    (group,) = expert_job(mesh="sidecar_service", models=MODEL)["TaskGroups"]
    shown = next(step for step in BRIDGE if step["request"]["path"] == "/v1/job/conb")["response"]["body"]
    (recorded,) = shown["TaskGroups"]
    assert set(group["Networks"][0]) <= set(recorded["Networks"][0])
    assert group["Networks"][0]["Mode"] == recorded["Networks"][0]["Mode"] == "bridge"
    ours, theirs = group["Services"][0], recorded["Services"][0]
    assert set(ours) <= set(theirs)
    assert set(ours["Connect"]) <= set(theirs["Connect"])
    assert set(ours["Connect"]["SidecarService"]) <= set(theirs["Connect"]["SidecarService"])
    # The literal port inside of the bridge: a label would be a port of the node.
    assert (ours["PortLabel"], theirs["PortLabel"]) == ("8080", "9777")
    assert '"--host", "127.0.0.1"' in group["Tasks"][0]["Templates"][0]["EmbeddedTmpl"]


def test_our_proxy_task_is_the_one_that_carried_traffic() -> None:
    (group,) = expert_job(mesh="proxy", models=MODEL)["TaskGroups"]
    recorded = job_of(PLAIN[0])["TaskGroups"][0]
    ours, theirs = ({task["Name"]: task for task in one["Tasks"]}["mesh"] for one in (group, recorded))
    assert ours["Lifecycle"] == theirs["Lifecycle"]
    flags = [arg for arg in ours["Config"]["args"] if arg.startswith("-") or arg in ("connect", "proxy")]
    # The recorded one registers itself; ours is registered by the launcher, with the expert's own checks and tags.
    assert [*flags, "-register", "-register-id"] == [
        arg for arg in theirs["Config"]["args"] if arg.startswith("-") or arg in ("connect", "proxy")
    ]
    assert {one["Label"] for one in group["Networks"][0]["DynamicPorts"]} == {"mesh"}


def test_the_recorded_plain_tasks_carry_traffic_on_the_stand_in_too(tmp_path) -> None:
    for name in ("consul", "nomad", "logs"):
        (tmp_path / name).mkdir()
    (port,) = free_ports(1)
    with started_consul(tmp_path / "consul") as url, mesh_at(url, tmp_path / "logs") as mesh:
        text = json.dumps(job_of(PLAIN[0])).replace("127.0.0.1:8500", url.removeprefix("http://"))
        job = json.loads(text.replace("plain:9494", f"plain:127.0.0.1:{port}"))
        with agent(tmp_path / "nomad", consul=url) as nomad:
            nomad.register(job)
            until(lambda: "Directory listing" in read(f"http://127.0.0.1:{port}/"), "traffic passes", 30)
            nomad.write("/v1/job/plain", {}, "DELETE")
            until(lambda: mesh.do(lambda client: client.health.connect("plain")) == (), "its entry is gone", 30)
            purge_all(nomad)


def read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
