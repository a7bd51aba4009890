"""What docs/power.md has people type."""

import json

from pipecatapp.power.power_agent import main

CONFIG = """
consul: {url: "http://127.0.0.1:8500"}
services: {printer: {listen: "127.0.0.1:9100", wake: {lan: {mac: "02:00:5e:10:00:01"}}}}
"""


def test_check_says_where_it_would_serve(tmp_path, capsys):
    path = tmp_path / "agent.yaml"
    path.write_text(CONFIG)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no problems; it would serve printer at 127.0.0.1:9100\n"


def test_check_reports_problems_with_exit_code_2(tmp_path, capsys):
    path = tmp_path / "agent.yaml"
    path.write_text(CONFIG.replace("listen", "lissen"))
    assert main(["check", str(path)]) == 2
    assert "lissen" in capsys.readouterr().err


def test_a_port_that_is_taken_is_the_machines_fault(tmp_path, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "agent.yaml"
        path.write_text(CONFIG.replace("9100", str(taken.getsockname()[1])))
        assert main(["serve", str(path)]) == 4
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_schema_prints_the_schema(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Configuration of power-agent"
