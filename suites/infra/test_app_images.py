"""Images of gateway and agent: built, pushed to a real registry, run by digest as containers and as jobs of Nomad."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evolve.infra import app_image
from evolve.infra.app_image import AGENT, GATEWAY, IMAGES, AppImage, PushedImage
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.image import base_image
from fixtures.app_images import Rendering, ask, readable_folder, running
from fixtures.nomad_standins import Agent, agent, purge_all, until
from fixtures.real_consul import free_ports, started_consul
from fixtures.real_registry import started_registry
from fixtures.scripted_expert import ScriptedExpert, scripted_expert
from fixtures.scripted_twin import ScriptedTwin, scripted_twin

USERS = {GATEWAY: "10001:10001", AGENT: "10002:10002"}
CONFIGS = {GATEWAY: "/etc/moe-gateway/gateway.yaml", AGENT: "/etc/pipecatapp/agent.yaml"}
PROGRAMS = {GATEWAY: "moe-gateway", AGENT: "pipecatapp"}
ADDED_MB = {GATEWAY: 75, AGENT: 200}
CHAT = {"messages": [{"role": "user", "content": "hello"}]}
FIND = "find / -xdev ( -name pip -o -name cc -o -name gcc -o -name *_Packages* ) -not -type d -not -path /proc/*"
GATEWAYS = Rendering("moe_gateway", "_moe_gateway_config", "gateway.yaml", "moe-gateway.nomad.j2")
AGENTS = Rendering("pipecatapp", "_pipecatapp_config", "agent.yaml", "pipecat-app.nomad.j2")
BOTH = pytest.mark.parametrize("image", IMAGES, ids=[one.part for one in IMAGES])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def pushed(engine: DockerEngine, registry: str) -> Iterator[dict[AppImage, PushedImage]]:
    """On the base of hosts, which is here already; the night builds them on the base that users get."""
    app_image.build(engine, base_image.ensure(engine, "bookworm"), IMAGES)
    found = {image: app_image.push(engine, image.tag, registry) for image in IMAGES}
    # From here on the engine has to fetch them.
    for image in IMAGES:
        for name in (f"{registry}/{image.tag}", image.tag):
            engine.client.images.remove(name, force=True)
    yield found
    for one in found.values():
        engine.client.images.remove(one.reference, force=True)


@pytest.fixture
def expert() -> Iterator[ScriptedExpert]:
    with scripted_expert() as found:
        yield found


@pytest.fixture
def model() -> Iterator[ScriptedTwin]:
    with scripted_twin() as found:
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    with readable_folder() as found:
        yield found


@BOTH
def test_what_was_pushed_is_named_by_its_digest(
    image: AppImage, pushed: dict[AppImage, PushedImage], registry: str
) -> None:
    assert re.fullmatch(rf"{registry}/{image.repository}@sha256:[0-9a-f]{{64}}", pushed[image].reference)
    assert pushed[image].compressed_bytes > 1_000_000


@BOTH
def test_the_container_of_the_digest_answers_and_can_change_nothing(
    engine: DockerEngine, pushed: dict[AppImage, PushedImage], image: AppImage, expert: ScriptedExpert, folder: Path
) -> None:
    (port,) = free_ports(1)
    part = {GATEWAY: f"experts: {{expert-main: [{{url: '{expert.url}'}}]}}", AGENT: f"model: {{url: '{expert.url}'}}"}
    name, config, program = Path(CONFIGS[image]).name, CONFIGS[image], PROGRAMS[image]
    (folder / name).write_text(f"listen: 127.0.0.1:{port}\n{part[image]}\n")
    volumes = [f"{folder}:{Path(config).parent}:ro"]
    with running(engine, pushed[image].reference, volumes) as container:
        until(lambda: ask(f"http://127.0.0.1:{port}/health/live").status == 200, "it lives", deadline_s=60)
        assert container.exec_run([program, "health", config]).exit_code == 0
        assert container.exec_run(["id", "-u"]).output.decode().strip() == USERS[image].partition(":")[0]
        assert container.exec_run(["touch", f"/opt/{program}/new"]).exit_code != 0
        container.stop(timeout=20)
        assert container.wait()["StatusCode"] == 0


@BOTH
def test_the_image_checks_its_own_health(
    engine: DockerEngine, pushed: dict[AppImage, PushedImage], image: AppImage, folder: Path
) -> None:
    silent = [PROGRAMS[image], "health", CONFIGS[image]]
    found = engine.client.images.pull(pushed[image].reference).attrs["Config"]
    assert found["Healthcheck"]["Test"] == ["CMD", *silent]
    assert found["User"] == USERS[image]
    (port,) = free_ports(1)
    part = {GATEWAY: "experts: {expert-a: [{url: 'http://h:1'}]}", AGENT: "model: {url: 'http://h:1'}"}[image]
    (folder / Path(CONFIGS[image]).name).write_text(f"listen: 127.0.0.1:{port}\n{part}\n")
    volumes = [f"{folder}:{Path(CONFIGS[image]).parent}:ro"]
    with running(engine, pushed[image].reference, volumes, entrypoint=silent, command=[]) as container:
        assert container.wait(timeout=60)["StatusCode"] == 4
        assert b"does not answer" in container.logs()


@BOTH
def test_nothing_that_builds_programs_is_in_the_image(
    engine: DockerEngine, pushed: dict[AppImage, PushedImage], image: AppImage
) -> None:
    with running(engine, pushed[image].reference, [], entrypoint=FIND.split(), command=[], user="0") as container:
        container.wait(timeout=60)
        assert container.logs(stderr=False).decode() == ""


def test_the_agents_image_has_the_programs_of_its_tools(
    engine: DockerEngine, pushed: dict[AppImage, PushedImage]
) -> None:
    with running(engine, pushed[AGENT].reference, [], entrypoint=["ssh", "-V"], command=[]) as container:
        assert container.wait(timeout=60)["StatusCode"] == 0


@contextmanager
def job_of_nomad(engine: DockerEngine, scratch: Path, job: dict[str, Any]) -> Iterator[tuple[Agent, dict[str, Any]]]:
    """The job under the stand-in on the real engine, and its service as Consul has it."""
    with (
        started_consul(scratch) as consul,
        agent(scratch, docker=engine.url, keeps_state=False, consul=consul.removeprefix("http://")) as nomad,
    ):
        nomad.register(job)
        try:
            passing = f"{consul}/v1/health/service/{job['ID']}?passing=true"
            until(lambda: ask(passing).body, "Consul lists it as passing", deadline_s=90)
            [service] = ask(passing).body
            yield nomad, service["Service"]
        finally:
            purge_all(nomad)


def test_a_job_of_nomad_runs_the_gateways_digest(
    engine: DockerEngine,
    pushed: dict[AppImage, PushedImage],
    expert: ScriptedExpert,
    folder: Path,
    tmp_path: Path,
) -> None:
    (port,) = free_ports(1)
    given = {
        "moe_gateway_driver": "docker",
        "moe_gateway_image": pushed[GATEWAY].reference,
        "moe_gateway_port": port,
        "moe_gateway_metrics_port": 0,
        "moe_gateway_consul_addr": "",
        "moe_gateway_experts": {"expert-main": [{"url": expert.url}]},
        "_common_app_user": USERS[GATEWAY],
        "_common_app_files": "",
    }
    with job_of_nomad(engine, tmp_path, GATEWAYS.write(folder, tmp_path, given)) as (_, service):
        answered = ask(f"http://127.0.0.1:{port}/v1/chat/completions", {**CHAT, "model": "expert-main"})
        assert answered.status == 200
        assert (service["Address"], service["Port"]) == ("127.0.0.1", port)


def test_the_gateways_model_pipecat_is_answered_by_the_agents_digest(
    engine: DockerEngine,
    pushed: dict[AppImage, PushedImage],
    model: ScriptedTwin,
    folder: Path,
    tmp_path: Path,
) -> None:
    port, gateway = free_ports(2)
    state, log, key = folder / "state", folder / "log", "sk-of-the-gateway"
    for one in (state, log):
        one.mkdir()
        one.chmod(0o777)
    given = {
        "pipecatapp_driver": "docker",
        "pipecatapp_image": pushed[AGENT].reference,
        "pipecatapp_port": port,
        "pipecatapp_metrics_port": 0,
        "pipecatapp_consul_addr": "",
        "pipecatapp_llm_url": model.url,
        "pipecatapp_gateway_key": key,
        "pipecatapp_log_file": f"{log}/pipecatapp.log",
        "_pipecatapp_state_dir": str(state),
        "_common_app_user": USERS[AGENT],
        "_common_app_files": "",
    }
    job = AGENTS.write(folder, tmp_path, given)
    (folder / "keys").write_text(f"gateway: {hashlib.sha256(key.encode()).hexdigest()}\n")
    (tmp_path / "nomad").mkdir()
    with job_of_nomad(engine, tmp_path / "nomad", job) as (_, service), readable_folder() as config:
        assert (service["Address"], service["Port"]) == ("127.0.0.1", port)
        (config / "agent.key").write_text(key)
        (config / "gateway.yaml").write_text(
            f"listen: 127.0.0.1:{gateway}\nagent: {{url: 'http://127.0.0.1:{port}', api_key_file: agent.key}}\n"
        )
        with running(engine, pushed[GATEWAY].reference, [f"{config}:/etc/moe-gateway:ro"]):
            until(lambda: ask(f"http://127.0.0.1:{gateway}/health/live").status == 200, "it lives", deadline_s=60)
            answered = ask(f"http://127.0.0.1:{gateway}/v1/chat/completions", {**CHAT, "model": "pipecat"})
        assert answered.status == 200
        assert answered.body["choices"][0]["message"]["content"] == "You said: hello"
    assert (state / "memory.sqlite").is_file()
    assert (log / "pipecatapp.log").is_file()
    assert key not in str(job)


@pytest.mark.nightly
def test_what_the_images_add_to_debians_smallest_system(engine: DockerEngine) -> None:
    base = app_image.usable_base(engine, app_image.BASE)
    app_image.build(engine, base, IMAGES)
    for image in IMAGES:
        assert app_image.added_bytes(engine, image.tag, base) <= ADDED_MB[image] * 1e6
