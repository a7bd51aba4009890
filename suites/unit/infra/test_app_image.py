"""The base of the images; suites/infra/test_app_images.py builds some."""

from urllib.parse import quote

import pytest

from evolve.core.model.errors import DockerFault
from evolve.infra import app_image
from evolve.infra.engine import docker_engine
from fixtures.scripted_engine import Answer, scripted_engine

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("base", "repository", "tag"),
    [
        ("debian:bookworm-slim", "debian", "bookworm-slim"),
        ("registry.test:5000/debian:trixie", "registry.test:5000/debian", "trixie"),
        ("registry.test:5000/debian", "registry.test:5000/debian", "latest"),
        (f"debian@{DIGEST}", "debian", DIGEST),
    ],
)
def test_a_base_of_any_registry_is_pulled_by_its_name(base: str, repository: str, tag: str) -> None:
    missing, there = Answer(404, {"message": "No such image"}), Answer(body={"Id": DIGEST})
    named = quote(base if ":" in base.rpartition("/")[2] else f"{base}:{tag}", safe="/:")
    with scripted_engine() as server:
        server.script = {"POST /images/create": [Answer(body={})], f"GET /images/{named}/json": [there]}
        # Before the pull, by the name as it was given.
        server.script.setdefault(f"GET /images/{quote(base, safe='/:')}/json", []).insert(0, missing)
        assert app_image.usable_base(docker_engine.connect(server.url), base) == base
        asked = server.queries["POST /images/create"]
    assert (asked["fromImage"], asked["tag"]) == (repository, tag)


def test_a_base_that_was_named_and_cannot_be_pulled_is_the_machines_fault() -> None:
    with scripted_engine() as server:
        server.script = {"POST /images/create": [Answer(404, {"message": "pull access denied"})]}
        with pytest.raises(DockerFault, match=r"pull mine:1 .*pull access denied.*without --base"):
            app_image.usable_base(docker_engine.connect(server.url), "mine:1")
