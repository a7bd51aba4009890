from collections.abc import Iterator

import pytest

from evolve.infra.engine import reaper
from evolve.infra.engine.docker_engine import connect
from evolve.infra.engine.owner import LABEL_OWNER
from evolve.infra.engine.removal import Removal, remove_labelled
from evolve.system.process_owner import Owner
from fixtures.scripted_engine import CUT, Answer, ScriptedEngine, scripted_engine

LISTED = "GET /containers/json"


@pytest.fixture
def server() -> Iterator[ScriptedEngine]:
    with scripted_engine() as running:
        yield running


def test_a_container_that_does_not_go_is_named_and_the_others_go(server: ScriptedEngine):
    server.script = {
        LISTED: [Answer(body=[{"Id": "1", "Names": ["/stubborn"]}, {"Id": "2", "Names": ["/other"]}])],
        "DELETE /containers/1": [CUT],
        "DELETE /containers/2": [Answer(204)],
    }
    engine = connect(server.url)
    removal = remove_labelled(engine.client, LABEL_OWNER)
    engine.client.close()
    assert "DELETE /containers/2" in server.calls
    assert [problem.partition(":")[0] for problem in removal.problems] == ["container stubborn"]
    assert removal.removed == 1


def test_what_could_not_be_removed_does_not_count_as_removed():
    assert Removal(3, ("network net: it is in use",)).removed == 2


def test_the_reaper_asks_again_after_an_engine_went_away_in_the_middle(server: ScriptedEngine):
    server.script = {LISTED: [CUT, Answer(body=[])]}
    reaper.reap(server.url, Owner.current())
    assert server.calls.count(LISTED) == 1 + reaper.QUIET_PASSES


def test_an_image_without_a_tag_is_removed_by_its_id(server: ScriptedEngine):
    server.script = {
        "GET /images/json": [Answer(body=[{"Id": "sha256:1", "RepoTags": ["<none>:<none>"]}])],
        "DELETE /images/sha256:1": [Answer(body=[])],
    }
    engine = connect(server.url)
    removal = remove_labelled(engine.client, LABEL_OWNER)
    engine.client.close()
    assert removal == Removal(1)
    assert "DELETE /images/sha256:1" in server.calls
