"""An image whose package lists are old, on an engine that cannot fetch new ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.infra.engine.docker_engine import DockerEngine, connect
from evolve.infra.image import base_image, base_recipe
from evolve.infra.image.base_recipe import LABEL_LISTS, RELEASES
from fixtures.scripted_engine import Answer, ScriptedEngine, scripted_engine

KEY = f"bookworm-{base_recipe.key(RELEASES['bookworm'])}"
TAG = f"anneal-host:{KEY}"
OLD = Answer(body={"Id": "sha256:1", "Config": {"Labels": {LABEL_LISTS: "0"}}})
NAMED = "POST /images/sha256:1/tag"
BUILT = "POST /build"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path))
    # Nothing here builds an image from packages.
    monkeypatch.setenv("PATH", str(tmp_path))
    with scripted_engine() as running:
        running.script = {
            BUILT: [Answer(body={"error": "apt-get update: no mirror answers"})],
            "POST /images/create": [Answer(500, {"message": "no registry answers"})],
            NAMED: [Answer(201)],
        }
        yield running


@pytest.fixture
def engine(server: ScriptedEngine) -> Iterator[DockerEngine]:
    engine = connect(server.url)
    yield engine
    engine.client.close()


def test_an_image_that_cannot_be_refreshed_stays_in_use_and_is_built_once_in_a_process(
    server: ScriptedEngine, engine: DockerEngine, caplog: pytest.LogCaptureFixture
):
    server.script |= {f"GET /images/{TAG}/json": [OLD], f"GET /images/anneal-base:{KEY}/json": [OLD]}
    assert [base_image.ensure(engine, "bookworm") for _ in range(3)] == [TAG] * 3
    assert server.calls.count(BUILT) == 1
    assert "no mirror answers" in caplog.text


def test_an_image_stays_in_use_when_its_base_is_gone_and_cannot_be_made(server: ScriptedEngine, engine: DockerEngine):
    server.script |= {f"GET /images/{TAG}/json": [OLD]}
    assert base_image.ensure(engine, "bookworm") == TAG


@pytest.mark.usefixtures("server")
def test_without_any_image_each_ways_reason_is_reported(engine: DockerEngine):
    with pytest.raises(EnvironmentFault, match=r"no registry answers[\s\S]*neither mmdebstrap nor debootstrap"):
        base_image.ensure(engine, "bookworm")
