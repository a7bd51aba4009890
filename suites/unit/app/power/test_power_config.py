import json
from pathlib import Path

import jsonschema
import pytest

from evolve.core.model.errors import InputError
from pipecatapp.power.config import LanWake, NomadWake, PowerService, load_power_config, power_schema
from pipecatapp.power.metrics import PowerMetrics
from pipecatapp.serving.listening import Listen

ROOT = Path(__file__).parents[4]
SMALL = """
consul: {url: "http://127.0.0.1:8500"}
nomad: {url: "http://127.0.0.1:4646"}
services:
  expert-main: {listen: "127.0.0.1:8180", wake: {nomad: {job: llamacpp-rpc}}}
"""


def load(tmp_path, text):
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return load_power_config(path)


def problems(tmp_path, text):
    with pytest.raises(InputError) as error:
        load(tmp_path, text)
    return [str(problem).removeprefix(str(tmp_path) + "/") for problem in error.value.problems]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(power_schema())
    assert power_schema()["additionalProperties"] is False


def test_a_small_configuration_has_the_defaults_of_the_schema(tmp_path):
    (service,) = load(tmp_path, SMALL).services
    (schema,) = power_schema()["properties"]["services"]["patternProperties"].values()
    properties = schema["properties"]
    for name in ("idle_s", "quiet_s", "retry_s", "max_waiting"):
        assert getattr(service.rules, name) == properties[name]["default"], name
    assert service.timeout_s == properties["timeout_s"]["default"]
    assert [str(one) for one in service.allow] == properties["allow"]["default"]
    assert service.is_http == (properties["protocol"]["default"] == "http")
    wake = properties["wake"]["properties"]
    assert NomadWake("x").count == wake["nomad"]["properties"]["count"]["default"]
    assert LanWake("x").broadcast == wake["lan"]["properties"]["broadcast"]["default"]
    assert LanWake("x").port == wake["lan"]["properties"]["port"]["default"]


def test_a_whole_configuration_is_read(tmp_path):
    nodes = {"worker-1": {"mac": "02:00:5e:10:00:01", "broadcast": "10.0.0.255", "address": "worker-1"}}
    (tmp_path / "nodes.json").write_text(json.dumps(nodes))
    (tmp_path / "token").write_text("secret\n")
    config = load(
        tmp_path,
        """
metrics: 127.0.0.1:9102
consul: {url: "http://127.0.0.1:8500/", token_file: token}
nomad: {url: "http://127.0.0.1:4646", token_file: token, namespace: experts}
nodes_file: nodes.json
services:
  expert-main:
    listen: "0.0.0.0:8180"
    address: 10.0.0.2
    protocol: http
    wake: {nomad: {job: llamacpp-rpc, group: main, count: 2}, lan: {node: worker-1, port: 7}}
    allow: [10.0.0.0/8, "fd00::/8"]
    timeout_s: 300
    idle_s: 900
    quiet_s: 0
    retry_s: 10
    max_waiting: 8
  printer: {listen: "[::]:9100", wake: {lan: {mac: "02:00:5E:10:00:02", broadcast: 10.1.0.255}}}
""",
    )
    main, printer = config.services
    assert config.metrics == Listen("127.0.0.1", 9102)
    assert (config.consul.url, config.consul.token) == ("http://127.0.0.1:8500", "secret")
    assert config.nomad is not None
    assert config.nomad.namespace == "experts"
    assert main.nomad == NomadWake("llamacpp-rpc", "main", 2)
    assert main.lan == LanWake("02:00:5e:10:00:01", "10.0.0.255", 7)
    assert (main.is_http, main.timeout_s, main.address) == (True, 300, "10.0.0.2")
    assert (main.rules.idle_s, main.rules.quiet_s, main.rules.retry_s, main.rules.max_waiting) == (900, 0, 10, 8)
    assert printer.listen == Listen("::", 9100)
    assert printer.lan == LanWake("02:00:5E:10:00:02", "10.1.0.255")
    assert "secret" not in repr(config)


def test_every_problem_is_reported_with_its_place(tmp_path):
    (tmp_path / "nodes.json").write_text('{"worker-1": {"mac": "half"}}')
    found = problems(
        tmp_path,
        """
consul: {url: "http://127.0.0.1:8500"}
nodes_file: nodes.json
services:
  one: {listen: "127.0.0.1:8180", wake: {nomad: {job: a}}, allow: [10.0.0.1/8]}
  two: {listen: "127.0.0.1:8180", wake: {lan: {node: worker-1}}, idle_s: 60}
""",
    )
    text = "\n".join(found)
    assert "agent.yaml:5:" in text
    assert "there is no Nomad" in text
    assert "10.0.0.1/8 has host bits set" in text
    assert "only a job of Nomad can be put to sleep" in text
    assert "no MAC address of worker-1 is known; known are worker-1" in text
    assert "port 8180 is taken by one" in text
    assert len(found) == 5


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ('{listen: "x", wake: {nomad: {job: a}}}', "HOST:PORT"),
        ('{listen: "127.0.0.1:1", wake: {}}', "wake"),
        ('{listen: "127.0.0.1:1", wake: {nomad: {job: a}}, idel_s: 3}', "idel_s"),
        ('{listen: "127.0.0.1:1", wake: {lan: {mac: "02:00"}}}', "six pairs of hexadecimal digits"),
        ('{listen: "127.0.0.1:1", wake: {lan: {port: 9}}}', "lan"),
        ('{listen: "127.0.0.1:99999", wake: {nomad: {job: a}}}', "port 99999 is above 65535"),
    ],
)
def test_a_wrong_service_is_refused(tmp_path, service, message):
    text = SMALL.partition("services:")[0] + f"services:\n  a: {service}\n"
    assert message in "\n".join(problems(tmp_path, text))


@pytest.mark.parametrize(
    ("first", "second", "is_taken"),
    [
        ("127.0.0.1:8180", "127.0.0.1:8180", True),
        ("0.0.0.0:8180", "127.0.0.1:8180", True),
        ("127.0.0.1:8180", "[::]:8180", True),
        ("127.0.0.1:8180", "10.0.0.1:8180", False),
        ("127.0.0.1:8180", "127.0.0.1:8181", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_a_port_is_taken_at_the_same_address_only(tmp_path, first, second, is_taken):
    wake = 'wake: {lan: {mac: "02:00:5e:10:00:01"}}'
    services = f'services:\n  a: {{listen: "{first}", {wake}}}\n  b: {{listen: "{second}", {wake}}}\n'
    text = SMALL.partition("services:")[0] + services
    if is_taken:
        (found,) = problems(tmp_path, text)
        assert "port 8180 is taken by a" in found
    else:
        assert len(load(tmp_path, text).services) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("no json", "is no JSON"), ("[]", "is no mapping of names to nodes")],
)
def test_a_wrong_file_of_nodes_is_named_once(tmp_path, content, message):
    service = '{listen: "127.0.0.1:%d", wake: {lan: {node: n}}}'
    text = SMALL.partition("services:")[0] + f"services:\n  a: {service % 8001}\n  b: {service % 8002}\n"
    if content is not None:
        (tmp_path / "nodes.json").write_text(content)
    (found,) = problems(tmp_path, text + "nodes_file: nodes.json\n")
    assert message in found


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_only_allowed_networks_may_wake(host, may):
    assert PowerService("a", Listen("127.0.0.1", 1)).may_wake(host) is may


def keys_of(part, prefix=""):
    for name, value in part.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from keys_of(value, f"{prefix}{name}.")
        for listed in value.get("patternProperties", {}).values():
            yield from keys_of(listed, f"{prefix}{name}.NAME.")


def test_every_key_is_in_the_page():
    page = (ROOT / "docs/power.md").read_text()
    assert [key for key in keys_of(power_schema()) if f"| `{key}` |" not in page] == []


def test_the_configuration_that_the_page_shows_is_fine(tmp_path):
    page = (ROOT / "docs/power.md").read_text()
    for name in ("consul.token", "nomad.token"):
        (tmp_path / name).write_text("t")
    config = load(tmp_path, page.partition("```yaml\n")[2].partition("```")[0])
    assert [one.name for one in config.services] == ["expert-main", "printer"]


def test_every_metric_is_in_the_page():
    page = (ROOT / "docs/power.md").read_text()
    found = {family.name for family in PowerMetrics().registry.collect()}
    assert [name for name in found if f"| `{name}" not in page] == []
