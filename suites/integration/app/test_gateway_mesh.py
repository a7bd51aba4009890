"""The gateway in the mesh of a real Consul, with its own proxies: who may, and that nothing of an answer is lost."""

import asyncio
import contextlib
import json
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from evolve.cluster.address import ClusterAddress
from fixtures.killable_experts import KillableExpert, run_kills
from fixtures.loopback_server import LoopbackServer
from fixtures.mesh_experts import MeshOfExperts, mesh_at
from fixtures.processes import wait_for
from fixtures.real_consul import free_ports, started_consul
from fixtures.running_gateways import SHORT, experts_at, running_gateway
from fixtures.scripted_expert import Answer, Silence
from pipecatapp.gateway.config import Access, GatewayConfig


@pytest.fixture(scope="module")
def consul(tmp_path_factory):
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield url


@pytest.fixture
def mesh(consul, tmp_path):
    with mesh_at(consul, tmp_path) as found:
        yield found


def config_of(mesh, **more):
    return GatewayConfig(consul=mesh.address, mesh_service="moe-gateway", timeouts=SHORT, **more)


def knows(gateway, instances=1):
    wait_for(
        "the gateway knows the proxies",
        lambda: len(gateway.gateway.experts.instances("expert-main")) == instances,
    )


def takes_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def allow_the_gateway(mesh):
    mesh.intend("moe-gateway", "allow")
    mesh.intend("*", "deny")


def test_a_request_without_an_intention_is_refused_and_with_it_passes(mesh, expert):
    mesh.proxy(expert.port)
    mesh.intend("*", "deny")
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        refused = gateway.chat()
        assert (refused.status, refused.json["error"]["code"]) == (503, "expert_unavailable")
        assert expert.script.requests == []
        mesh.intend("moe-gateway", "allow")
        wait_for("the gateway may", lambda: gateway.chat().status == 200)
        (model,) = gateway.ask("/v1/models").json["data"]
        assert (model["id"], model["served_model"]) == ("expert-main", "scripted")


def test_nobody_but_the_gateway_reaches_the_expert_through_its_proxy(mesh, expert):
    port = mesh.proxy(expert.port)
    allow_the_gateway(mesh)
    (local,) = free_ports(1)
    # Another service of the mesh, with a certificate of its own.
    mesh.run("stranger", "connect", "proxy", "-service", "stranger", "-upstream", f"expert-main:127.0.0.1:{local}")
    wait_for("the stranger's proxy listens", lambda: takes_connections(local))
    with pytest.raises(ConnectionError):
        urllib.request.urlopen(f"http://127.0.0.1:{local}/health", timeout=5)
    # Somebody without a certificate.
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="certificate"):
        urllib.request.urlopen(f"https://127.0.0.1:{port}/health", timeout=5, context=trusting)
    assert expert.script.requests == []
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        assert gateway.chat().status == 200


def test_a_proxy_of_another_service_gets_nothing(mesh, expert, second):
    # It is in Consul as the expert's, and shows a valid certificate of the mesh.
    mesh.proxy(second.port, id="impostor", identity="somebody")
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        assert gateway.chat().json["error"]["code"] == "expert_unavailable"
        assert second.script.requests == []
        mesh.proxy(expert.port)
        knows(gateway, 2)
        assert [gateway.chat().status for _ in range(10)] == [200] * 10
        assert second.script.requests == []


def test_an_expert_outside_of_the_mesh_is_not_asked(mesh, expert):
    service = {"ID": "open", "Name": "expert-main", "Address": "127.0.0.1", "Port": expert.port}
    sidecar = {"ID": "other", "Name": "expert-other", "Port": expert.port, "Connect": {"SidecarService": {}}}
    for one in (service, sidecar):
        mesh.do(lambda client, one=one: client.services.register(one))
    for config, ready in ((config_of(mesh), False), (GatewayConfig(consul=mesh.address, timeouts=SHORT), True)):
        with running_gateway(config) as gateway:
            expected = {"expert-main": ready, "expert-other": ready}
            # Consul's entry of the sidecar is a service too, and no expert.
            wait_for(
                "the models are these",
                lambda g=gateway, e=expected: {m["id"]: m["ready"] for m in g.ask("/v1/models").json["data"]} == e,
            )
            assert gateway.chat().status == (200 if ready else 503)


def test_an_activator_is_not_asked_and_the_health_says_so(mesh, expert, second):
    service = {"ID": "waker", "Name": "activator-expert-main", "Address": "127.0.0.1", "Port": second.port}
    mesh.do(lambda client: client.services.register(service))
    mesh.proxy(expert.port)
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        assert gateway.chat().status == 200
        assert second.script.requests == []
        (warning,) = gateway.ask("/health/ready").json["warnings"]
        assert "not asked to wake experts: activator-expert-main" in warning


def test_a_killed_expert_is_passed_over_before_consul_knows(mesh, expert, second):
    allow_the_gateway(mesh)
    mesh.proxy(expert.port)
    mesh.proxy(second.port, id="two")
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway, 2)
        expert.close()
        # Its proxy takes connections as before.
        assert [gateway.chat().status for _ in range(20)] == [200] * 20
        knows(gateway, 2)


def test_no_answer_is_cut_in_silence_by_a_kill_behind_the_proxy(mesh):
    allow_the_gateway(mesh)
    experts = [KillableExpert(port) for port in free_ports(2)]
    try:
        for id, one in enumerate(experts):
            mesh.proxy(one.port, id=f"killable-{id}")
        with running_gateway(
            config_of(mesh, access={"default": Access(requests_per_minute=10**6, concurrent=100)})
        ) as gateway:
            knows(gateway, 2)
            verdicts, after = run_kills(gateway, experts, 10)
    finally:
        for one in experts:
            one.kill()
    assert "cut" not in verdicts
    assert "whole" in verdicts
    assert "error" in verdicts
    assert after == [200] * 10


@pytest.mark.parametrize("act", [Silence(), Answer(chunks=10_000, delay_s=0.01)], ids=["first token", "stream"])
def test_a_client_that_goes_ends_the_expert_s_work(mesh, expert, act):
    mesh.proxy(expert.port)
    expert.plan(act)
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        body = b'{"model": "expert-main", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            assert expert.script.arrived.acquire(timeout=10)
            if isinstance(act, Answer):
                client.recv(1000)
        assert expert.script.left.acquire(timeout=10)


def test_a_stream_is_the_same_byte_for_byte(mesh, expert):
    mesh.proxy(expert.port)
    with (
        running_gateway(config_of(mesh)) as meshed,
        running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=SHORT)) as direct,
    ):
        knows(meshed)
        for fields in ({}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}):
            expert.plan(always=Answer(chunks=50))
            first, other = meshed.chat(**fields), direct.chat(**fields)
            assert (first.status, first.body) == (other.status, other.body)


def test_kept_connections_are_used_again(mesh, expert):
    mesh.proxy(expert.port)
    with running_gateway(config_of(mesh)) as gateway:
        knows(gateway)
        before = expert.connections
        assert [gateway.chat().status for _ in range(10)] == [200] * 10
        # TLS and the proxy's own connection are made once; the check of the proxy's port opens none of the expert's.
        assert expert.connections - before == 1


def test_a_new_authority_is_taken_over_while_requests_go_on(expert, tmp_path):
    # An agent of its own: its authority changes.
    with started_consul(tmp_path) as url, mesh_at(url, tmp_path) as mesh:
        mesh.proxy(expert.port)
        with running_gateway(config_of(mesh)) as gateway:
            knows(gateway)
            assert gateway.chat(stream=True).status == 200
            own = gateway.gateway.mesh
            before, first = own.context("expert-main"), root(url)
            assert own.context("expert-main") is before
            key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            )
            new = {"Provider": "consul", "Config": {"PrivateKey": key.decode(), "RootCert": ""}}
            request = urllib.request.Request(f"{url}/v1/connect/ca/configuration", json.dumps(new).encode())
            request.method = "PUT"
            urllib.request.urlopen(request, timeout=10).close()
            wait_for("there is a new authority", lambda: root(url) != first)
            wait_for("the gateway has taken it over", lambda: own.context("expert-main") is not before)
            # Each stream is a connection of its own.
            assert [gateway.chat(stream=True).body[-14:] for _ in range(5)] == [b"data: [DONE]\n\n"] * 5


class Line(LoopbackServer):
    """Passes connections on to Consul until it is closed."""

    def __init__(self, url, port=0):
        self._consul = int(url.rpartition(":")[2])
        super().__init__(port)

    async def talk(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._consul)
        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        finally:
            far_writer.close()


async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_while_consul_is_away_the_gateway_says_so_and_no_longer_than_that(mesh, consul, expert):
    mesh.proxy(expert.port)
    line = Line(consul)
    config = GatewayConfig(consul=ClusterAddress(line.url), mesh_service="moe-gateway", timeouts=SHORT)
    with running_gateway(config) as gateway:

        def warned():
            return {one.partition(":")[0] for one in gateway.ask("/health/ready").json["warnings"]}

        knows(gateway)
        assert gateway.chat().status == 200
        before = gateway.gateway.mesh.context("expert-main")
        assert warned() == set()
        line.close()
        expected = {"Consul does not answer, the list of experts may be old", "Consul gives no certificate of the mesh"}
        wait_for("it says so", lambda: warned() == expected)
        assert gateway.chat().status == 200
        line = Line(consul, line.port)
        # Nothing has changed in Consul meanwhile.
        wait_for("it says so no longer", lambda: warned() == set())
        assert gateway.gateway.mesh.context("expert-main") is before
        assert gateway.chat().status == 200
    line.close()


def root(url):
    with urllib.request.urlopen(f"{url}/v1/agent/connect/ca/roots") as answer:
        return json.load(answer)["ActiveRootID"]


RIGHTS = {
    "gateway": """
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service "moe-gateway" { policy = "write" }
""",
    "node": """
service "expert-main" { policy = "write" }
service "mesh-expert-main" { policy = "write" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
""",
    "role": 'service "expert-main" { policy = "read" intentions = "write" }\n',
}
"""What docs/mesh.md says that each token needs, where Consul has ACLs."""


def tokens_of(url):
    """A token for each of the rights."""

    def put(path, body=None, token=""):
        request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), {"X-Consul-Token": token})
        request.method = "PUT"
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    made = []

    def bootstrapped():
        # A leader takes a moment until it gives it.
        with contextlib.suppress(urllib.error.HTTPError):
            made.append(put("/v1/acl/bootstrap")["SecretID"])
        return made

    wait_for("the management token", bootstrapped)
    for name, rules in RIGHTS.items():
        put("/v1/acl/policy", {"Name": name, "Rules": rules}, made[0])
    return {name: put("/v1/acl/token", {"Policies": [{"Name": name}]}, made[0])["SecretID"] for name in RIGHTS}


def test_the_rights_of_the_page_are_enough(expert, tmp_path):
    config = 'acl {\n  enabled = true\n  default_policy = "deny"\n}\n'
    with started_consul(tmp_path, config) as url, contextlib.ExitStack() as stack:
        tokens = tokens_of(url)
        role, node, gateway = (
            MeshOfExperts(ClusterAddress(url, tokens[name]), tmp_path, stack) for name in ("role", "node", "gateway")
        )
        node.proxy(expert.port)
        with running_gateway(config_of(gateway)) as running:
            knows(running)
            # Where the ACLs deny by default, so does the mesh.
            assert running.chat().json["error"]["code"] == "expert_unavailable"
            role.intend("moe-gateway", "allow")
            wait_for("the gateway may", lambda: running.chat().status == 200)
    page = (Path(__file__).parents[3] / "docs/mesh.md").read_text()
    assert [line for rules in RIGHTS.values() for line in rules.strip().splitlines() if line not in page] == []
