"""What `evolve`'s options ask for together: a request in a file leaves nothing for others to say."""

import json
from pathlib import Path

import pytest

from evolve.cli.evolve import read_options
from evolve.core.evolution.request import EvolutionRequest


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(EvolutionRequest(suite="suite.yaml", agent="AGENT.md", budget=40).to_json()))
    return str(path)


def test_a_request_is_read_from_a_file(request_file: str):
    found = read_options(["--request", request_file, "--json"], {"EVOLVE_REFLECTOR": "echo"})
    assert found.request == EvolutionRequest(suite="suite.yaml", agent="AGENT.md", budget=40)
    assert found.is_json


@pytest.mark.parametrize(
    "words",
    [["--budget", "5m"], ["--suite", "a.yaml"], ["--executor", "nomad"], ["--seed", "2"], ["--small-gate"]],
    ids=lambda words: words[0],
)
def test_an_option_that_a_request_would_overrule_is_refused(
    request_file: str, words: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        read_options([*words, "--request", request_file], {})
    assert ended.value.code == 2
    message = f"{words[0]} is in the file of --request already: change it there, or leave --request out"
    assert message in capsys.readouterr().err
