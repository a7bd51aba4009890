"""`evolve doctor` on a Consul with ACLs: who we are, and what we may do."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from evolve.cli._cluster_diagnosis import consul_diagnosis
from fixtures.real_consul import started_consul

ACL = 'acl {\n  enabled = true\n  default_policy = "deny"\n}\n'


def put(url: str, body: object = None, token: str = ""):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"X-Consul-Token": token}, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def bootstrapped(url: str) -> str:
    """The management token; a leader takes a moment until it gives it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return str(put(f"{url}/v1/acl/bootstrap")["SecretID"])
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A Consul that denies by default, and its management token."""
    with started_consul(tmp_path_factory.mktemp("acl"), ACL) as url:
        yield url, bootstrapped(url)


def test_a_management_token_may_do_everything(guarded):
    url, token = guarded
    found = consul_diagnosis({"CONSUL_HTTP_ADDR": url, "CONSUL_HTTP_TOKEN": token})
    assert found.state == "ok"
    assert "may read the agent, read keys" in found.detail
    assert "global-management" in found.detail
    assert token not in found.detail


def test_a_weak_token_learns_what_it_lacks(guarded):
    url, management = guarded
    rules = 'key_prefix "anneal/" { policy = "read" }'
    put(f"{url}/v1/acl/policy", {"Name": "keys", "Rules": rules}, management)
    token = put(f"{url}/v1/acl/token", {"Description": "watcher", "Policies": [{"Name": "keys"}]}, management)[
        "SecretID"
    ]
    found = consul_diagnosis({"CONSUL_HTTP_ADDR": url, "CONSUL_HTTP_TOKEN": token})
    assert found.state == "ok"
    assert "token watcher (policies: keys)" in found.detail
    assert "may read keys" in found.detail
    assert 'may not read the agent (agent "…": read)' in found.detail


def test_no_token_and_a_wrong_one_may_do_nothing(guarded):
    url, _ = guarded
    for token in ("", "11111111-2222-3333-4444-555555555555"):
        found = consul_diagnosis({"CONSUL_HTTP_ADDR": url, "CONSUL_HTTP_TOKEN": token})
        assert found.state == "missing"
        assert "no valid token" in found.detail
