from pathlib import Path

import jsonschema
import pytest

from evolve.core.model.errors import InputError
from pipecatapp.gateway.config import Access, Listen, config_schema, load_config
from pipecatapp.serving.exposure import exposure_warnings

EXPERTS = "experts: {expert-main: [{url: 'http://127.0.0.1:8080'}]}\n"


def load(tmp_path, text, **options):
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    return load_config(path, **options)


def problems(tmp_path, text, **options):
    with pytest.raises(InputError) as error:
        load(tmp_path, text, **options)
    return [str(problem).removeprefix(str(tmp_path) + "/") for problem in error.value.problems]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(config_schema())
    assert config_schema()["additionalProperties"] is False


def test_a_small_configuration_has_the_defaults_of_the_schema(tmp_path):
    config = load(tmp_path, EXPERTS)
    properties = config_schema()["properties"]
    assert f"{config.listen.host}:{config.listen.port}" == properties["listen"]["default"]
    assert {name: one["default"] for name, one in properties["timeouts"]["properties"].items()} == {
        name: getattr(config.timeouts, name) for name in properties["timeouts"]["properties"]
    }
    access = config_schema()["$defs"]["access"]["properties"]
    assert Access() == Access(
        tuple(access["models"]["default"]),
        access["requests_per_minute"]["default"],
        access["concurrent"]["default"],
    )


def test_a_whole_configuration_is_read(tmp_path):
    for name, text in {
        "keys": "",
        "token": "ttt-1\n",
        "main.key": "kkk-1",
        "ca.pem": "",
        "cert": "",
        "key": "",
    }.items():
        (tmp_path / name).write_text(text)
    config = load(
        tmp_path,
        """
listen: "[::]:8443"
metrics: 127.0.0.1:9100
keys_file: keys
access:
  default: {models: [expert-main], requests_per_minute: 10}
  alice: {concurrent: 2}
consul: {url: "https://consul.lan:8501/", token_file: token, ca_file: ca.pem}
experts: {expert-main: [{url: "http://127.0.0.1:8080/", model: smol, api_key_file: main.key}]}
expert_api_key_file: main.key
fallbacks: {expert-main: [expert-small]}
moe: {fallback: expert-main, router: {url: "http://127.0.0.1:8085/", model: small, api_key_file: main.key}}
agent: {url: "http://127.0.0.1:9000", api_key_file: main.key}
tls: {cert: cert, key: key}
timeouts: {idle_s: 5}
""",
    )
    assert config.listen == Listen("::", 8443)
    assert not config.listen.is_loopback
    assert config.access_of("alice") == Access(concurrent=2)
    assert config.access_of("bob") == Access(models=("expert-main",), requests_per_minute=10)
    assert config.consul is not None
    assert (config.consul.url, config.consul.token) == ("https://consul.lan:8501", "ttt-1")
    (instance,) = config.experts["expert-main"]
    assert (instance.url, instance.served_model, instance.api_key) == ("http://127.0.0.1:8080", "smol", "kkk-1")
    assert config.router is not None
    assert (config.router.url, config.router.model) == ("http://127.0.0.1:8085", "small")
    assert config.router.api_key == "kkk-1"
    assert config.router.agent.agent.name == "ROUTER_AGENT"
    assert config.timeouts.idle_s == 5
    assert "kkk-1" not in repr(config)
    assert "ttt-1" not in repr(config)


def test_every_problem_comes_at_once_with_its_place(tmp_path):
    text = "lisen: 127.0.0.1:1\nexperts:\n  main: []\n  expert-a: [{url: ftp://x}]\ntimeouts: {idle_s: 0}\n"
    found = problems(tmp_path, text)
    assert found[0] == "gateway.yaml:1:1: lisen: unknown key 'lisen' (did you mean 'listen'?)"
    assert [line.split(": ")[0] for line in found] == [
        "gateway.yaml:1:1", "gateway.yaml:3:3", "gateway.yaml:4:20", "gateway.yaml:5:20",
    ]  # fmt: skip


def test_a_secret_that_is_no_text_is_a_problem_and_not_no_secret(tmp_path):
    (tmp_path / "main.key").write_bytes(b"\xff\xfe\x00")
    text = "experts: {expert-main: [{url: http://127.0.0.1:1, api_key_file: main.key}]}\n"
    (problem,) = problems(tmp_path, text)
    assert problem == "gateway.yaml:1:65: experts.expert-main[0].api_key_file: main.key is not UTF-8 text"


def test_without_experts_there_is_nothing_to_serve(tmp_path):
    assert problems(tmp_path, "listen: 127.0.0.1:1\n")[0].endswith("no experts (set consul, experts or agent)")
    assert problems(tmp_path, "")[0].endswith("no experts (set consul, experts or agent)")


def test_beyond_loopback_it_needs_keys_and_tls(tmp_path):
    found = problems(tmp_path, f"listen: 0.0.0.0:8001\n{EXPERTS}")
    assert len(found) == 2
    assert found[0].startswith("gateway.yaml:1:9: listen: 0.0.0.0 is not loopback, and there are no keys")
    assert "--insecure" in found[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "[::1]", "localhost"])
def test_loopback_needs_neither(tmp_path, host):
    assert load(tmp_path, f"listen: '{host}:0'\n{EXPERTS}").keys_file is None


@pytest.mark.parametrize(("more", "options"), [("proxy_in_front: true\n", {}), ("", {"insecure": True})])
def test_a_proxy_or_insecure_stands_for_tls_but_not_for_keys(tmp_path, more, options):
    (tmp_path / "keys").write_text("")
    text = f"listen: 0.0.0.0:8001\n{more}{EXPERTS}"
    assert len(problems(tmp_path, text, **options)) == 1
    assert load(tmp_path, f"{text}keys_file: keys\n", **options).is_insecure is bool(options)


def test_a_proxy_in_front_of_a_gateway_without_keys_is_a_warning(tmp_path):
    def warnings(more):
        return exposure_warnings(load(tmp_path, f"proxy_in_front: true\n{more}{EXPERTS}").exposure)

    (tmp_path / "keys").write_text("")
    assert "set keys_file" in warnings("")[0]
    assert warnings("keys_file: keys\n") == []


@pytest.mark.parametrize(
    ("router", "message"),
    [
        ("{}", "expected one of expert and url"),
        ("{expert: expert-a, url: 'http://127.0.0.1:1', model: m}", "expected one of expert and url"),
        ("{url: 'http://127.0.0.1:1'}", "model is missing"),
        ("{expert: expert-a, agent: gone.md}", "gone.md: cannot read"),
        ("{expert: expert-a, agent: wrong.md}", "wrong.md:"),
    ],
)
def test_a_router_is_one_endpoint_with_an_agent_that_can_be_read(tmp_path, router, message):
    (tmp_path / "wrong.md").write_text("---\nname: X\n---\n")
    found = problems(tmp_path, f"{EXPERTS}moe: {{fallback: expert-main, router: {router}}}\n")
    assert any(message in problem for problem in found), found


def test_files_that_are_missing_or_empty_are_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    text = f"{EXPERTS}keys_file: nowhere\nexpert_api_key_file: empty\n"
    assert [line.partition(": ")[2] for line in problems(tmp_path, text)] == [
        "keys_file: nowhere cannot be read: No such file or directory",
        "expert_api_key_file: empty is empty",
    ]


def test_a_file_that_is_no_yaml_or_is_missing_is_an_input_error(tmp_path):
    assert problems(tmp_path, "a: [")[0].startswith("gateway.yaml:")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def keys_of(part, prefix=""):
    definitions = config_schema()["$defs"]
    for name, value in part.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from keys_of(value, f"{prefix}{name}.")
        others = value.get("additionalProperties")
        if isinstance(others, dict) and others.get("$ref") == "#/$defs/access":
            yield from keys_of(definitions["access"], f"{prefix}{name}.NAME.")
        for listed in value.get("patternProperties", {}).values():
            yield from keys_of(listed["items"], f"{prefix}{name}.expert-NAME[].")


def test_every_key_is_in_the_page():
    page = (Path(__file__).parents[4] / "docs/gateway.md").read_text()
    missing = [key for key in keys_of(config_schema()) if f"| `{key}` |" not in page and key != "timeouts"]
    assert missing == []


def test_the_configuration_that_the_page_shows_is_fine(tmp_path):
    page = (Path(__file__).parents[4] / "docs/gateway.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    for name in ("keys", "gateway.pem", "gateway.key"):
        (tmp_path / name).write_text("")
    (tmp_path / "consul.token").write_text("t")
    assert load(tmp_path, text).moe_fallback == "expert-main"
