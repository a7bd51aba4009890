"""Any HTTP service as a provider."""

from typing import Any

import pytest

from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from fixtures.faulty_server import FaultyServer, Ok, Status
from fixtures.opened_providers import OpenedProviders

SAY = {"method": "POST", "body": {"p": "{{prompt}}"}}


def test_url_headers_query_and_body_are_templates(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.ask(
        "http",
        Request("tell", vars={"x": 'a "quote"\n', "n": 3}),
        url=faulty_server.url + "/a?who={{n}}",
        method="PUT",
        headers={"X-Tag": "tag-{{n}}"},
        queryParams={"q": "{{prompt}} & more"},
        body={"p": "{{prompt}}", "list": ["{{x}}", 1, True], "inner": '{"k": "{{n}}"}'},
    )
    request = faulty_server.requests[-1]
    assert (request.method, request.path) == ("PUT", "/a?who=3&q=tell+%26+more")
    assert request.headers["x-tag"] == "tag-3"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"p": "tell", "list": ['a "quote"\n', 1, True], "inner": {"k": "3"}}


def test_a_body_of_text_goes_as_text(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    config = {"method": "POST", "headers": {"Content-Type": "text/plain"}, "body": "raw {{prompt}} \n"}
    providers.ask(faulty_server.url, 'say "x"', **config)
    assert faulty_server.requests[-1].body == b'raw say "x"'


def test_a_json_body_written_as_text_stays_json(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    headers = {"Content-Type": "application/json"}
    providers.ask(faulty_server.url, 'say "x"\n', method="POST", headers=headers, body='{"p": "{{prompt}}"}')
    assert faulty_server.requests[-1].json == {"p": 'say "x"\n'}
    providers.ask(
        faulty_server.url, 'say "x"', method="POST", headers=headers, body='{"p": "{{prompt}}", "n": {{ 1 + 1 }} }'
    )
    assert faulty_server.requests[-1].json == {"p": 'say "x"', "n": 2}


@pytest.mark.parametrize(
    ("transform", "output"),
    [
        (None, {"a": {"b": "c"}, "n": 2}),
        ("json.a.b", "c"),
        ("text.length", 28),
        ("(json, text) => json.a.b + text.length", "c28"),
        ("function (json) {\n  return json.n;\n}", 2),
        ("({output: json.a.b, tokenUsage: {total: json.n}})", "c"),
        ("json.n === 3", False),
        ("context.response.status", 200),
        ("file://t.js", "js c"),
        ("file://t.py:read", "py c"),
    ],
)
def test_a_response_is_transformed(
    providers: OpenedProviders, faulty_server: FaultyServer, transform: str | None, output: Any
) -> None:
    (providers.folder / "t.js").write_text("module.exports = (json) => 'js ' + json.a.b", encoding="utf-8")
    (providers.folder / "t.py").write_text(
        "def read(data, text, context):\n    return 'py ' + data['a']['b']\n", encoding="utf-8"
    )
    faulty_server.plan(Ok(body='{"a": {"b": "c"}, "n":    2}'))
    config = {**SAY, **({"transformResponse": transform} if transform else {})}
    assert providers.ask(faulty_server.url, "x", **config).output == output


def test_response_fields_of_a_transform_count(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    faulty_server.plan(Ok(body='{"n": 2}'))
    answer = providers.ask(
        faulty_server.url, "x", **SAY, transformResponse="({output: 'o', tokenUsage: {total: json.n}, cost: 1})"
    )
    assert (answer.tokens.total, answer.cost) == (2, 1.0)
    assert answer.metadata["http"] == {"status": 200, "statusText": "Test"}


def test_plain_text_is_an_answer(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    faulty_server.plan(Ok(body="plain words", content_type="text/plain"), Ok(body="", content_type="text/plain"))
    assert providers.ask(faulty_server.url, "x", method="GET").output == "plain words"
    assert providers.ask(faulty_server.url, "x", method="GET").output == ""


def test_a_transform_that_finds_nothing_is_an_error(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    with pytest.raises(CannotEvaluate, match="transformResponse found nothing in"):
        providers.ask(faulty_server.url, "x", **SAY, transformResponse="json.nothing")
    with pytest.raises(CannotEvaluate, match="JavaScript: TypeError"):
        providers.ask(faulty_server.url, "x", **SAY, transformResponse="json.no.way")


def test_a_status_may_be_allowed(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    faulty_server.plan(Status(500, body="it broke"), Status(418, body="{}"))
    assert providers.ask(faulty_server.url, "x", **SAY, validateStatus="status => status < 600").output == "it broke"
    with pytest.raises(EnvironmentFault, match="status 418"):
        providers.ask(faulty_server.url, "x", **SAY, validateStatus="status === 500")


def test_a_request_may_be_transformed(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.ask(faulty_server.url, "x", **SAY, transformRequest="`${prompt}!`")
    assert faulty_server.requests[-1].json == {"p": "x!"}
    providers.ask(faulty_server.url, "x", **SAY, transformRequest="({p: 1, more: prompt})")
    assert faulty_server.requests[-1].json == {"p": 1, "more": "x"}


def test_a_whole_request_may_be_written_down(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    host = faulty_server.url.removeprefix("http://")
    raw = f"""
POST /chat?q=a b HTTP/1.1
Host: {host}
Content-Type: application/json
X-Tag: {{{{n}}}}

{{"p": "{{{{prompt}}}}"}}
"""
    providers.ask("http", Request('say "x"', vars={"n": 1}), request=raw)
    request = faulty_server.requests[-1]
    assert (request.method, request.path) == ("POST", "/chat?q=a%20b")
    assert request.headers["x-tag"] == "1"
    assert request.json == {"p": 'say "x"'}


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "bearer", "token": "{{ env.T }}"}, "authorization", "Bearer tok"),
        ({"type": "basic", "username": "u", "password": "p"}, "authorization", "Basic dTpw"),
        ({"type": "api_key", "keyName": "X-Key", "value": "v", "placement": "header"}, "x-key", "v"),
    ],
)
def test_credentials_are_sent(
    providers: OpenedProviders, faulty_server: FaultyServer, auth: dict[str, str], header: str, value: str
) -> None:
    providers.env["T"] = "tok"
    providers.ask(faulty_server.url, "x", **SAY, auth=auth)
    assert faulty_server.requests[-1].headers[header] == value


def test_a_login_in_the_url_is_sent(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.ask(faulty_server.url.replace("//", "//u:p@"), "x", **SAY)
    assert faulty_server.requests[-1].headers["authorization"] == "Basic dTpw"


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("http", {"method": "GET"}, "has no url"),
        ("http://127.0.0.1:1", {}, "sends nothing: it has no body"),
        ("http://127.0.0.1:1", {"method": "POST"}, "sends nothing"),
        ("http://127.0.0.1:1", {**SAY, "multipart": {}}, "'multipart' is not supported"),
        ("http://127.0.0.1:1", {**SAY, "auth": {"type": "oauth"}}, "'oauth' is not supported"),
        ("http://127.0.0.1:1", {**SAY, "headers": ["x"]}, "headers=.*expected a mapping"),
        ("http://127.0.0.1:1", {**SAY, "transformResponse": "file://t.rb"}, "t.rb"),
    ],
)
def test_a_wrong_config_is_said_at_load(
    providers: OpenedProviders, name: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        providers.open(name, config)


def test_a_url_that_is_none_is_a_mistake(providers: OpenedProviders) -> None:
    with pytest.raises(InputError, match="is not a URL"):
        providers.ask("http://", "x", method="GET")


@pytest.mark.parametrize(
    ("x", "path"), [("a b", "/e?who=a%20b"), ("a%20b+c", "/e?who=a%20b+c"), ('ä"', "/e?who=%C3%A4%22")]
)
def test_a_url_is_sent_as_written(providers: OpenedProviders, faulty_server: FaultyServer, x: str, path: str) -> None:
    providers.ask(faulty_server.url + "/e?who={{x}}", Request("p", vars={"x": x}), method="GET")
    assert faulty_server.requests[-1].path == path
