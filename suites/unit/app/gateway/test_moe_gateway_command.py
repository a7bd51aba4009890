import json

import pytest

from fixtures.scripted_expert import scripted_expert
from pipecatapp.gateway.__main__ import main
from pipecatapp.gateway.completions import ROUTES


def test_check_says_what_it_would_do(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text("experts: {expert-main: [{url: 'http://127.0.0.1:8080'}]}\n")
    assert main(["check", str(tmp_path / "g.yaml")]) == 0
    assert capsys.readouterr().out.endswith("no problems; it would serve on 127.0.0.1:8001\n")


@pytest.mark.parametrize("text", ["lisen: 1\n", "experts: {expert-main: [{url: 'http://h:1'}]}\nkeys_file: keys\n"])
def test_check_ends_with_2_where_something_is_wrong(tmp_path, capsys, text):
    (tmp_path / "keys").write_text("broken\n")
    (tmp_path / "g.yaml").write_text(text)
    assert main(["check", str(tmp_path / "g.yaml")]) == 2
    assert capsys.readouterr().err.startswith("moe-gateway: error: ")


def test_an_address_that_is_taken_is_the_machines_fault(tmp_path, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "g.yaml").write_text(
            f"listen: 127.0.0.1:{port}\nexperts: {{expert-main: [{{url: 'http://127.0.0.1:1'}}]}}\n"
        )
        assert main(["serve", str(tmp_path / "g.yaml")]) == 4
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_a_key_is_printed_with_its_line(capsys):
    assert main(["key", "alice"]) == 0
    out = capsys.readouterr().out
    assert "sk-anneal-" in out
    assert "alice: " in out


def test_the_openapi_document_has_every_route(capsys):
    assert main(["openapi"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["paths"]) == {
        *ROUTES, "/v1/models", "/v1/models/{id}", "/health/live", "/health/ready",
    }  # fmt: skip


def test_the_schema_of_the_configuration_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Configuration of moe-gateway"


def test_health_says_whether_a_gateway_answers(tmp_path, capsys):
    with scripted_expert() as answering:
        # A server that answers 200 is healthy; the expert answers any path.
        config = tmp_path / "g.yaml"
        config.write_text(
            f"listen: 127.0.0.1:{answering.port}\nexperts: {{expert-a: [{{url: 'http://127.0.0.1:1'}}]}}\n"
        )
        assert main(["health", str(config)]) == 0
    assert main(["health", str(config)]) == 4
    assert f"127.0.0.1:{answering.port} does not answer" in capsys.readouterr().err
