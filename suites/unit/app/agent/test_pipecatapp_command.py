import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from evolve.core.model.errors import InputError
from fixtures.running_agents import running_agent
from pipecatapp.agent.__main__ import main
from pipecatapp.agent.config import AgentConfig, ModelConfig, config_schema, load_config
from pipecatapp.gateway.keys import hash_of

ROOT = Path(__file__).parents[4]
MODEL = "model: {url: 'http://127.0.0.1:8080'}\n"


def write(tmp_path, text):
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return path


def problems(tmp_path, text, **options):
    with pytest.raises(InputError) as error:
        load_config(write(tmp_path, text), **options)
    return [str(problem).removeprefix(str(tmp_path) + "/") for problem in error.value.problems]


def test_a_small_configuration_has_the_defaults_of_the_schema(tmp_path):
    config = load_config(write(tmp_path, MODEL))
    assert config == AgentConfig(ModelConfig("http://127.0.0.1:8080"))
    properties = config_schema()["properties"]
    assert str(config.listen) == properties["listen"]["default"]
    assert config.agent_file == properties["agent_file"]["default"]
    assert config.most_turns == properties["most_turns"]["default"]
    assert config.model.most_tokens == properties["model"]["properties"]["most_tokens"]["default"]
    for name, one in properties["timeouts"]["properties"].items():
        assert getattr(config.timeouts, name) == one["default"]


def test_a_whole_configuration_is_read_with_its_secrets(tmp_path):
    for name, text in {"keys": "", "token": "ttt-1\n", "model.key": "kkk-1", "cert": "", "key": ""}.items():
        (tmp_path / name).write_text(text)
    config = load_config(
        write(
            tmp_path,
            """\
listen: 0.0.0.0:8443
keys_file: keys
hosts: [agent.lan]
tls: {cert: cert, key: key}
model: {service: expert-main, api_key_file: model.key, accuracy: 0.7}
consul: {url: "http://127.0.0.1:8500/", token_file: token}
nomad: {url: "http://127.0.0.1:4646", token_file: token, namespace: apps}
memory: {file: memory.sqlite, keep_days: 7}
log_file: log
timeouts: {turn_s: 60}
""",
        )
    )
    assert (config.model.service, config.model.accuracy) == ("expert-main", 0.7)
    assert config.nomad is not None
    assert config.nomad.namespace == "apps"
    assert config.memory is not None
    assert (config.memory.file, config.memory.keep_days) == (tmp_path / "memory.sqlite", 7)
    assert config.log_file == tmp_path / "log"
    assert config.secrets == ("kkk-1", "ttt-1", "ttt-1")
    assert "kkk-1" not in repr(config)
    assert "ttt-1" not in repr(config)


def test_every_problem_comes_at_once_with_its_place(tmp_path):
    found = problems(tmp_path, "modle: {}\nlisten: here\n")
    assert len(found) == 2
    assert any("did you mean 'model'" in one for one in found)
    text = "listen: 0.0.0.0:1\nmodel: {service: expert-main}\nagent_file: no.md\n"
    assert [one.partition(": ")[0] for one in problems(tmp_path, text)] == [
        "agent.yaml:3:13", "agent.yaml:2:8", "agent.yaml:1:9", "agent.yaml:1:9",
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["{}", "{url: 'http://h:1', service: expert-main}"])
def test_a_model_has_one_address(tmp_path, model):
    (found,) = problems(tmp_path, f"model: {model}\nconsul: {{url: 'http://h:1'}}\n")
    assert "expected either url or service" in found


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("hosts: ['https://agent.lan']", "", "expected a name without scheme and port, got 'https://agent.lan'"),
        ("hosts: ['agent.lan:8002']", "", "expected a name without scheme and port, got 'agent.lan:8002'"),
        ("memory: {file: ~nobody-here/m}", "", "~nobody-here/m begins with a user that this machine does not have"),
        ("keys_file: ~nobody-here/k", "", "~nobody-here/k begins with a user that this machine does not have"),
        ('keys_file: "a\\0b"', "", "cannot be read"),
        ("consul: {url: 'http://127.0.0.1:8500', token_file: key}", "two\nlines", "expected one line of ASCII in key"),
        ("consul: {url: 'http://127.0.0.1:8500', token_file: key}", "schlüssel", "expected one line of ASCII in key"),
    ],
)
def test_what_no_server_could_use_is_reported(tmp_path, text, key, problem):
    (tmp_path / "key").write_text(key)
    assert problem in problems(tmp_path, f"{MODEL}{text}\n")[0]


def test_hosts_are_compared_as_browsers_write_them(tmp_path):
    config = load_config(write(tmp_path, f"{MODEL}hosts: [Agent.LAN, '[::1]', 10.0.0.7]\n"))
    assert config.hosts == ("agent.lan", "::1", "10.0.0.7")


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(config_schema())
    assert config_schema()["additionalProperties"] is False


def test_check_says_what_it_would_do_and_ends_with_2_where_something_is_wrong(tmp_path, capsys):
    assert main(["check", str(write(tmp_path, MODEL))]) == 0
    assert capsys.readouterr().out.endswith("no problems; it would serve on 127.0.0.1:8002\n")
    (tmp_path / "keys").write_text("broken\n")
    for text in ("lisen: 1\n", f"{MODEL}keys_file: keys\n", f"{MODEL}agent_file: NO_AGENT\n"):
        assert main(["check", str(write(tmp_path, text))]) == 2
        assert capsys.readouterr().err.startswith("pipecatapp: error: ")


def test_an_agent_with_other_inputs_is_refused(tmp_path, capsys):
    assert main(["check", str(write(tmp_path, f"{MODEL}agent_file: REFLECTION_AGENT\n"))]) == 2
    assert "expected an agent with the input 'request'" in capsys.readouterr().err


def test_an_address_that_is_taken_is_the_machines_fault(tmp_path, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(write(tmp_path, f"listen: 127.0.0.1:{port}\n{MODEL}"))]) == 4
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_health_says_whether_an_agent_answers(tmp_path, capsys):
    with running_agent(AgentConfig(ModelConfig("http://127.0.0.1:1"))) as agent:
        address = agent.url.removeprefix("http://")
        config = write(tmp_path, f"listen: {address}\n{MODEL}")
        assert main(["health", str(config)]) == 0
    assert main(["health", str(config)]) == 4
    assert f"{address} does not answer" in capsys.readouterr().err


def test_a_key_is_made_for_the_file_of_keys(tmp_path, capsys):
    assert main(["key", "alice"]) == 0
    key, line = (one.rpartition(": ")[2].strip() for one in capsys.readouterr().out.splitlines())
    assert hash_of(key) == line
    assert main(["key", "no name"]) == 2


def test_the_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Configuration of pipecatapp"


def test_the_docs_have_every_key_with_its_meaning():
    text = (ROOT / "docs" / "agent-app.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", text, re.M))
    for name, one in keys_of(config_schema()):
        assert rows.get(name, "").startswith(one["description"]), name
        assert "default" not in one or f"Default: `{one['default']}`." in rows[name].replace("true", "True").replace(
            "false", "False"
        )


def keys_of(schema, prefix="", whole=None):
    whole = whole or schema
    for name, one in schema["properties"].items():
        found = {**whole["$defs"][one["$ref"].rpartition("/")[2]], **one} if "$ref" in one else one
        if "description" in found:
            yield prefix + name, found
        if "properties" in found:
            yield from keys_of(found, f"{prefix}{name}.", whole)


def test_serving_loads_neither_pipecat_nor_what_only_the_gateway_needs():
    code = (
        "import sys, pipecatapp.agent.server\n"
        "print(sorted({'pipecat', 'fastapi', 'uvicorn', 'httpx', 'torch', 'numpy', 'openai'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
