"""The gateway's image: built, pushed to a real registry, run by its digest as a container and as a job of Nomad."""

import json
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from evolve.infra import app_image
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.image import base_image
from evolve.infra.verification.plays import Play, Player
from fixtures.nomad_standins import agent, purge_all, until
from fixtures.real_consul import free_ports, started_consul
from fixtures.real_registry import started_registry
from fixtures.scripted_expert import ScriptedExpert, scripted_expert

REPOSITORY = Path(__file__).parents[2]
ROLE = REPOSITORY / "roles/moe_gateway"
USER = "10001:10001"
ADDED_MB = 75
CHAT = {"model": "expert-main", "messages": [{"role": "user", "content": "hello"}]}
FIND = "find / -xdev ( -name pip -o -name cc -o -name gcc -o -name *_Packages* ) -not -type d -not -path /proc/*"
RENDERED = {
    "gateway.yaml": "_moe_gateway_config | to_nice_yaml",
    "job.json": f"lookup('ansible.builtin.template', '{ROLE}/templates/moe-gateway.nomad.j2')",
}


def render_task(name: str, content: str) -> dict[str, Any]:
    copied = {"content": f"{{{{ {content} }}}}", "dest": f"{{{{ target }}}}/{name}", "mode": "0644"}
    return {"name": f"Write {name}", "ansible.builtin.copy": copied}


RENDER = [
    {
        "name": "Render what the role writes",
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "tasks": [render_task(name, content) for name, content in RENDERED.items()],
    }
]


class Answer(NamedTuple):
    status: int
    body: Any


class Pushed(NamedTuple):
    """The image in the registry."""

    image: app_image.PushedImage
    registry: str


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def pushed(engine: DockerEngine, registry: str) -> Iterator[Pushed]:
    """On the base of hosts, which is here already; the night builds it on the base that users get."""
    tag = app_image.build(engine, base_image.ensure(engine, "bookworm"))
    image = app_image.push(engine, tag, registry)
    # From here on the engine has to fetch it.
    for name in (f"{registry}/{tag}", tag):
        engine.client.images.remove(name, force=True)
    yield Pushed(image, registry)
    engine.client.images.remove(image.reference, force=True)


@pytest.fixture
def expert() -> Iterator[ScriptedExpert]:
    with scripted_expert() as found:
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the image's user may read, as /etc/moe-gateway; pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp(prefix="anneal-gateway-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def ask(url: str, body: object = None) -> Answer:
    """The answer; status 0 where nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Answer(answer.status, json.loads(answer.read()))
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, None)
    except OSError:
        return Answer(0, None)


@contextmanager
def running(engine: DockerEngine, reference: str, folder: Path, **more: Any) -> Iterator[Any]:
    """A container of the image with the configuration in `folder`, as a person runs it."""
    container = engine.client.containers.run(
        reference,
        detach=True,
        network_mode="host",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        volumes=[f"{folder}:/etc/moe-gateway:ro"],
        **more,
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def write_config(folder: Path, port: int, expert: ScriptedExpert) -> None:
    config = {"listen": f"127.0.0.1:{port}", "experts": {"expert-main": [{"url": expert.url}]}}
    (folder / "gateway.yaml").write_text(json.dumps(config))


def test_what_was_pushed_is_named_by_its_digest(pushed: Pushed) -> None:
    assert re.fullmatch(rf"{pushed.registry}/anneal-gateway@sha256:[0-9a-f]{{64}}", pushed.image.reference)
    assert pushed.image.compressed_bytes > 1_000_000


def test_a_request_is_answered_by_the_container_of_the_digest(
    engine: DockerEngine, pushed: Pushed, expert: ScriptedExpert, folder: Path
) -> None:
    (port,) = free_ports(1)
    write_config(folder, port, expert)
    with running(engine, pushed.image.reference, folder) as container:
        until(lambda: ask(f"http://127.0.0.1:{port}/health/live").status == 200, "it lives", deadline_s=60)
        answered = ask(f"http://127.0.0.1:{port}/v1/chat/completions", CHAT)
        assert answered.status == 200, container.logs().decode()
        assert answered.body["choices"][0]["message"]["content"]
        assert container.exec_run(["moe-gateway", "health", "/etc/moe-gateway/gateway.yaml"]).exit_code == 0
        assert container.exec_run(["id", "-u"]).output.decode().strip() == USER.partition(":")[0]
        assert container.exec_run(["touch", "/opt/moe-gateway/new"]).exit_code != 0
        container.stop(timeout=20)
        assert container.wait()["StatusCode"] == 0


def test_the_image_checks_its_own_health(engine: DockerEngine, pushed: Pushed, folder: Path) -> None:
    found = engine.client.images.pull(pushed.image.reference).attrs["Config"]
    assert found["Healthcheck"]["Test"] == ["CMD", "moe-gateway", "health", "/etc/moe-gateway/gateway.yaml"]
    assert found["User"] == USER
    (port,) = free_ports(1)
    (folder / "gateway.yaml").write_text(f"listen: 127.0.0.1:{port}\nexperts: {{expert-a: [{{url: 'http://h:1'}}]}}\n")
    silent = ["moe-gateway", "health", "/etc/moe-gateway/gateway.yaml"]
    with running(engine, pushed.image.reference, folder, entrypoint=silent, command=[]) as container:
        assert container.wait(timeout=60)["StatusCode"] == 4
        assert b"does not answer" in container.logs()


def test_nothing_that_builds_programs_is_in_the_image(engine: DockerEngine, pushed: Pushed, folder: Path) -> None:
    with running(engine, pushed.image.reference, folder, entrypoint=FIND.split(), command=[], user="0") as container:
        container.wait(timeout=60)
        assert container.logs(stderr=False).decode() == ""


def rendered(folder: Path, tmp_path: Path, engine: DockerEngine, **given: Any) -> dict[str, Any]:
    """The job as the role writes it, and its configuration in `folder`."""
    (tmp_path / "render.yaml").write_text(yaml.safe_dump(RENDER))
    (tmp_path / "hosts.yaml").write_text(
        yaml.safe_dump({"all": {"hosts": {"node-1": {"ansible_connection": "local"}}}})
    )
    with Player(environment={"DOCKER_HOST": engine.url}, config=REPOSITORY / "ansible.cfg") as player:
        known = {"target": str(folder), "_moe_gateway_etc": str(folder), "_moe_gateway_files": "", **given}
        played = player.play(Play(tmp_path / "render.yaml", tmp_path / "hosts.yaml", (ROLE.parent,), known))
    assert played.is_ok, played.why
    job: dict[str, Any] = json.loads((folder / "job.json").read_text())
    return job


def test_a_job_of_nomad_runs_the_digest_and_consul_lists_it(
    engine: DockerEngine, pushed: Pushed, expert: ScriptedExpert, folder: Path, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    job = rendered(
        folder,
        tmp_path,
        engine,
        moe_gateway_driver="docker",
        moe_gateway_image=pushed.image.reference,
        moe_gateway_port=port,
        moe_gateway_metrics_port=0,
        moe_gateway_consul_addr="",
        moe_gateway_experts={"expert-main": [{"url": expert.url}]},
        _moe_gateway_user=USER,
    )
    with (
        started_consul(tmp_path) as consul,
        agent(tmp_path, docker=engine.url, keeps_state=False, consul=consul.removeprefix("http://")) as nomad,
    ):
        nomad.register(job)
        try:
            passing = f"{consul}/v1/health/service/moe-gateway?passing=true"
            until(lambda: ask(passing).body, "Consul lists it as passing", deadline_s=90)
            answered = ask(f"http://127.0.0.1:{port}/v1/chat/completions", CHAT)
            assert answered.status == 200
            [service] = ask(passing).body
            assert (service["Service"]["Address"], service["Service"]["Port"]) == ("127.0.0.1", port)
        finally:
            purge_all(nomad)


@pytest.mark.nightly
def test_the_gateway_adds_at_most_75_mb_to_debians_smallest_system(engine: DockerEngine) -> None:
    base = app_image.usable_base(engine, app_image.BASE)
    tag = app_image.build(engine, base)
    assert app_image.added_bytes(engine, tag, base) <= ADDED_MB * 1e6
