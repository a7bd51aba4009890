"""Each route, whole answers, errors and headers, with an expert by script."""

import json
import re

import pytest

from fixtures.running_gateways import SHORT, experts_at, running_gateway
from fixtures.scripted_expert import Failure
from pipecatapp.gateway.config import Access, GatewayConfig
from pipecatapp.gateway.keys import make_key


def test_the_request_reaches_the_expert_byte_for_byte_but_for_its_model(expert, gateway):
    body = b'{ "messages":[{"role":"user","content":"h\\u00e4\\/"}],"top_p":0.50,"model":"expert-main","x":{"y":[]} }'
    reply = gateway.ask("/v1/chat/completions", body)
    assert reply.status == 200
    assert expert.script.requests[0].body == body
    assert reply.json["model"] == "expert-main"
    assert reply.json["timings"] == {"prompt_n": 5, "predicted_n": 3, "cache_n": 0}
    assert reply.headers["x-expert"] == "expert-main"


def test_the_served_models_name_goes_to_the_expert_and_ours_comes_back(expert):
    (instance,) = experts_at(expert.url)["expert-main"]
    named = type(instance)(instance.id, instance.url, "smollm2", api_key="k-123")
    with running_gateway(GatewayConfig(experts={"expert-main": (named,)})) as gateway:
        assert gateway.chat().json["model"] == "expert-main"
        assert gateway.ask("/v1/models").json["data"][0]["served_model"] == "smollm2"
    assert expert.script.requests[0].json["model"] == "smollm2"
    assert expert.script.requests[0].headers["authorization"] == "Bearer k-123"


def test_a_clients_key_never_reaches_an_expert(expert, tmp_path):
    made = make_key("alice")
    (tmp_path / "keys").write_text(made.line)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), keys_file=tmp_path / "keys")) as gateway:
        assert gateway.chat(key=made.key).status == 200
        assert gateway.chat().status == gateway.ask("/v1/models").status == 401
        assert gateway.chat(key="wrong").json["error"]["code"] == "invalid_api_key"
        assert gateway.ask("/health/ready").status == 200
    assert len(expert.script.requests) == 1
    assert made.key not in str(expert.script.requests)


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("/v1/completions", {"prompt": "a"}, ("choices", 0, "text")),
        ("/v1/embeddings", {"input": ["a", "b"]}, ("data", 1, "embedding")),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}, ("choices", 0, "message")),
    ],
)
def test_each_route_is_passed_on(expert, gateway, path, body, found):
    reply = gateway.ask(path, {"model": "expert-main", **body})
    value = reply.json
    for part in found:
        value = value[part]
    assert value
    assert expert.script.requests[0].path == path


def test_the_models_are_listed_and_shown(gateway):
    assert [(one["id"], one["ready"]) for one in gateway.ask("/v1/models").json["data"]] == [
        ("expert-main", True), ("moe", True),
    ]  # fmt: skip
    assert gateway.ask("/v1/models/moe").json["object"] == "model"
    assert gateway.ask("/v1/models/gpt").json["error"]["code"] == "model_not_found"


def test_moe_is_answered_by_the_fallback_and_says_so(gateway):
    reply = gateway.chat(model="moe")
    assert (reply.json["model"], reply.headers["x-expert"]) == ("expert-main", "expert-main")


def test_moe_is_answered_by_the_chosen_expert(expert, second):
    class ByWord:
        async def choose(self, message, tags):
            return "expert-code" if "code" in message and "expert-code" in tags else None

    experts = {**experts_at(expert.url), **experts_at(second.url, name="expert-code")}
    with running_gateway(GatewayConfig(experts=experts, moe_fallback="expert-main"), chooser=ByWord()) as gateway:
        for text, name in (("write code", "expert-code"), ("hello", "expert-main")):
            # `tags` has experts with an instance, those without a tag too.
            assert gateway.chat(text, model="moe").json["model"] == name


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/", None, 404, "not_found"),
        ("GET", "/v1", None, 404, "not_found"),
        ("GET", "/docs", None, 404, "not_found"),
        ("POST", "/v1/responses", {}, 404, "not_found"),
        ("POST", "/v1/chat/completions/", {}, 404, "not_found"),
        ("GET", "/v1/chat/completions", None, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", None, 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", b"", 400, "invalid_json"),
        ("POST", "/v1/chat/completions", b"[1]", 400, "invalid_json"),
        ("POST", "/v1/embeddings", {"model": "expert-main"}, 400, "invalid_value"),
        ("POST", "/v1/completions", {"model": "gpt-5", "prompt": "x"}, 404, "model_not_found"),
        ("POST", "/v1/completions", {"model": "pipecat", "prompt": "x"}, 404, "model_not_found"),
    ],
)
def test_every_error_has_openais_shape(gateway, method, path, body, status, code):
    reply = gateway.ask(path, body, method=method)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["x-request-id"])


def test_a_given_request_id_is_kept_and_passed_on_and_a_strange_one_is_not(expert, gateway):
    assert gateway.ask("/health/live", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    body = {"model": "expert-main", "prompt": "x"}
    gateway.ask("/v1/completions", body, headers={"x-request-id": "trace.7"})
    assert expert.script.requests[0].headers["x-request-id"] == "trace.7"
    assert gateway.ask("/health/live", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_bodies_over_20_mib_are_refused(gateway):
    body = {"model": "expert-main", "prompt": "x" * (20 * 2**20)}
    reply = gateway.ask("/v1/completions", body)
    assert (reply.status, reply.json["error"]["code"]) == (413, "request_too_large")
    just_fits = {"model": "expert-main", "prompt": "x" * (20 * 2**20 - 60)}
    assert gateway.ask("/v1/completions", just_fits).status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 501, 503])
def test_an_experts_errors_get_openais_shape(expert, gateway, status):
    expert.plan(always=Failure(status, json.dumps({"error": {"code": status, "message": "why", "type": "x"}})))
    reply = gateway.chat()
    assert reply.status == {400: 400, 429: 429, 501: 400, 503: 503}.get(status, 502)
    assert reply.json["error"]["message"] == "why"
    assert isinstance(reply.json["error"]["code"], str)
    # A request that is wrong is not sent twice.
    assert len(expert.script.requests) == 1


def test_keys_see_and_ask_their_models_only(expert, second, tmp_path):
    made = {name: make_key(name) for name in ("alice", "bob")}
    (tmp_path / "keys").write_text("\n".join(one.line for one in made.values()))
    config = GatewayConfig(
        experts={**experts_at(expert.url), **experts_at(second.url, name="expert-code")},
        keys_file=tmp_path / "keys",
        access={"alice": Access(models=("expert-code",))},
    )
    with running_gateway(config) as gateway:
        seen = {
            name: [one["id"] for one in gateway.ask("/v1/models", headers=_bearer(one.key)).json["data"]]
            for name, one in made.items()
        }
        assert seen == {"alice": ["expert-code"], "bob": ["expert-code", "expert-main"]}
        assert gateway.chat(key=made["alice"].key).json["error"]["code"] == "model_not_allowed"
        assert gateway.chat(key=made["alice"].key, model="expert-code").status == 200
        assert gateway.ask("/v1/models/expert-main", headers=_bearer(made["alice"].key)).status == 404


def _bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_limits_answer_429_and_say_when_to_come_back(expert):
    config = GatewayConfig(experts=experts_at(expert.url), access={"default": Access(requests_per_minute=2)})
    with running_gateway(config) as gateway:
        first, second, third = gateway.chat(), gateway.chat(), gateway.chat()
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.json["error"]["code"] == "rate_limit_exceeded"
    assert len(expert.script.requests) == 2


def test_without_an_instance_it_is_not_ready_and_says_why():
    with running_gateway(GatewayConfig(experts={"expert-main": ()}, timeouts=SHORT)) as gateway:
        ready = gateway.ask("/health/ready")
        assert (ready.status, ready.json["ready"]) == (503, False)
        assert ready.json["reasons"] == ["no expert has a passing instance: expert-main"]
        assert gateway.ask("/health/live").status == 200
        reply = gateway.chat()
        assert (reply.status, reply.json["error"]["code"]) == (503, "expert_unavailable")
        assert reply.headers["retry-after"] == "5"


def test_insecure_is_said_in_the_health(expert):
    from pipecatapp.gateway.config import Listen

    config = GatewayConfig(listen=Listen("0.0.0.0", 8001), experts=experts_at(expert.url), is_insecure=True)
    with running_gateway(config) as gateway:
        assert gateway.ask("/health/ready").json["warnings"] == ["serving beyond loopback without TLS (--insecure)"]


def test_the_openapi_document_and_the_routes_that_answer_are_the_same(gateway):
    document = gateway.ask("/openapi.json").json
    for path, operations in document["paths"].items():
        for method in ("get", "post", "put", "delete", "patch"):
            status = gateway.ask(path.replace("{id}", "moe"), method=method.upper()).status
            assert (status != 405) == (method in operations), (method, path)


def test_metrics_are_served_at_an_address_of_their_own(gateway):
    import urllib.request

    from pipecatapp.gateway.config import Listen

    gateway.chat("a secret question")
    gateway.ask("/v1/completions", {"model": "no-such-model-secret", "prompt": "x"})
    from fixtures.real_consul import free_ports

    (port,) = free_ports(1)
    stop = gateway.gateway.metrics.serve(Listen("127.0.0.1", port))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            text = reply.read().decode()
    finally:
        stop()
    assert 'moe_gateway_requests_total{model="expert-main",route="/v1/chat/completions",status="200"} 1.0' in text
    assert 'moe_gateway_tokens_total{kind="completion",model="expert-main"} 3.0' in text
    assert 'moe_gateway_expert_instances{model="expert-main"} 1.0' in text
    assert "secret" not in text
    assert gateway.ask("/metrics").status == 404


def test_no_prompt_and_no_key_is_logged_whatever_happens(expert, tmp_path, caplog):
    made = make_key("alice")
    (tmp_path / "keys").write_text(made.line)
    caplog.set_level("INFO", "moe_gateway")
    secret = "planted-secret"
    bodies = [
        {"model": "expert-main", "messages": [{"role": "user", "content": secret}]},
        {"model": "expert-main", "messages": [{"role": "user", "content": secret}], "stream": True},
        {"model": "expert-main", "messages": [{"role": secret, "content": secret}], secret: secret},
        {"model": secret, "messages": [{"role": "user", "content": secret}]},
        {"model": "expert-main", "messages": secret},
        f'{{"{secret}": '.encode(),
    ]
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), keys_file=tmp_path / "keys")) as gateway:
        for body in bodies:
            gateway.ask("/v1/chat/completions", body, headers=_bearer(made.key))
        gateway.ask(f"/{secret}", headers=_bearer(made.key))
        gateway.ask(f"/v1/models/{secret}?{secret}", headers=_bearer(made.key))
        gateway.chat(key=secret)
    assert len(caplog.records) >= 9
    assert secret not in caplog.text
    assert made.key not in caplog.text


def test_a_bug_of_the_gateway_is_a_500_in_openais_shape(expert, monkeypatch, caplog):
    def break_(*_):
        raise RuntimeError("boom")

    with running_gateway(GatewayConfig(experts=experts_at(expert.url))) as gateway:
        monkeypatch.setattr(gateway.gateway.routing, "choose", break_)
        reply = gateway.chat()
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal_error")
    assert f"request {reply.headers['x-request-id']}" in caplog.text
