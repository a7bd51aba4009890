"""`moe-gateway serve` as a process: TLS, metrics, the log, and its end while an answer is under way."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fixtures.processes import wait_for
from fixtures.real_consul import free_ports
from fixtures.scripted_expert import Answer
from pipecatapp.gateway.keys import make_key
from pipecatapp.local.programs import answers

ROOT = Path(__file__).parents[3]


def write_certificate(folder):
    """Write a certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway of a test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    alternative = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)


class Served:
    """The process, its ports and a key."""

    def __init__(self, folder, expert):
        self.port, self.metrics = free_ports(2)
        self.key = make_key("alice")
        (folder / "keys").write_text(self.key.line)
        write_certificate(folder)
        (folder / "gateway.yaml").write_text(
            f"listen: 0.0.0.0:{self.port}\nmetrics: 127.0.0.1:{self.metrics}\nkeys_file: keys\n"
            f"tls: {{cert: cert.pem, key: key.pem}}\nexperts: {{expert-main: [{{url: '{expert.url}'}}]}}\n"
        )
        self.trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipecatapp.gateway", "serve", str(folder / "gateway.yaml")],
                env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for("the gateway serves", self.is_serving)

    def is_serving(self):
        """Whether it answers; fails when it has ended."""
        assert self.process.poll() is None, self.log.read_text()
        return answers(f"http://127.0.0.1:{self.metrics}/metrics") and "serving on" in self.log.read_text()

    def connect(self):
        """Return a connection with TLS."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.trust.wrap_socket(plain, server_hostname="localhost")

    def request(self, **fields):
        """Return the bytes of a chat request."""
        data = json.dumps({"model": "expert-main", "messages": [{"role": "user", "content": "planted"}], **fields})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key.key}\r\n"
        return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


@pytest.fixture
def served(expert, tmp_path):
    found = Served(tmp_path, expert)
    yield found
    if found.process.poll() is None:
        found.process.kill()
    found.process.wait()


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_it_serves_by_tls_and_not_without(served):
    with served.connect() as client:
        client.sendall(served.request())
        assert b'"expert-main"' in read_all(client)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as plain:
        plain.sendall(served.request())
        assert b"200 OK" not in read_all(plain)
    assert "https://0.0.0.0" in served.log.read_text()


def test_an_answer_under_way_is_completed_when_it_is_asked_to_end(served, expert):
    expert.plan(Answer(chunks=30, delay_s=0.03))
    with served.connect() as client:
        client.sendall(served.request(stream=True))
        begin = client.recv(65536)
        served.process.send_signal(signal.SIGTERM)
        data = begin + read_all(client)
    assert b"t29 " in data
    assert b"data: [DONE]\n\n" in data
    assert b'"error"' not in data
    assert served.process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_metrics_and_log_know_the_request_and_not_the_prompt(served):
    with served.connect() as client:
        client.sendall(served.request())
        read_all(client)
    with urllib.request.urlopen(f"http://127.0.0.1:{served.metrics}/metrics") as reply:
        metrics = reply.read().decode()
    assert 'moe_gateway_requests_total{model="expert-main",route="/v1/chat/completions",status="200"} 1.0' in metrics
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(timeout=60)
    log = served.log.read_text()
    assert '"key": "alice"' in log
    assert "planted" not in log + metrics
    assert served.key.key not in log + metrics
