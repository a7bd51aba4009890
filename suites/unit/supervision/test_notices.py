"""Notices over loopback: each receiver gets its own form, and a dead one is a line in the log."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.healing import Incident, IncidentState
from evolve.supervision.notices import Notices, read_receiver
from fixtures.loopback_server import serving

INCIDENT = Incident("abc", "default", "web", "app", "main", IncidentState.ESCALATED, 1.0, 1.0, "key", "exit 1")


class Inbox(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mail)
        self.mails: list[tuple[str, dict[str, str], bytes]] = []


class Mail(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.mails.append((self.path, dict(self.headers), body))
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    with serving(server):
        yield server


def send(*receivers: str, incident: Incident | None = INCIDENT) -> list[str]:
    log: list[str] = []

    async def go() -> None:
        notices = Notices([read_receiver(one) for one in receivers], log.append)
        await notices.send(incident, "restart is refused", ("line",))
        await notices.close()

    asyncio.run(go())
    return log


def test_each_receiver_gets_its_form(inbox):
    url = f"http://127.0.0.1:{inbox.server_port}"
    send(f"webhook:{url}/hook", f"ntfy:{url}/topic", f"alertmanager:{url}")
    (hook, _, text), (topic, headers, plain), (alerts, _, alert) = inbox.mails
    assert (hook, topic, alerts) == ("/hook", "/topic", "/api/v2/alerts")
    assert json.loads(text)["job"] == "web"
    assert json.loads(text)["plan"] == ["line"]
    assert headers["Title"] == "web: escalated"
    assert b"next: evolve incidents abc" in plain
    assert json.loads(alert)[0]["labels"] == {
        "alertname": "AnnealIncident", "severity": "warning", "namespace": "default", "job": "web", "incident": "abc",
    }  # fmt: skip


def test_a_receiver_that_is_dead_or_refuses_is_a_line_and_the_next_one_is_called(inbox):
    url = f"http://127.0.0.1:{inbox.server_port}"
    log = send("webhook:http://127.0.0.1:1/x", f"webhook:{url}/broken", f"webhook:{url}/hook")
    assert log[0] == "incident abc default/web: restart is refused"
    assert [line for line in log if "not sent" in line and "status 500" in line]
    assert [path for path, _, _ in inbox.mails] == ["/broken", "/hook"]


def test_a_job_with_a_line_end_in_its_name_is_reported(inbox):
    named = replace(INCIDENT, job="web\r\nX-Evil: 1")
    send(f"ntfy:http://127.0.0.1:{inbox.server_port}/topic", incident=named)
    assert inbox.mails[0][1]["Title"] == "web X-Evil: 1: escalated"
    assert "X-Evil" not in inbox.mails[0][1]


def test_the_path_of_a_webhook_is_not_logged():
    log = send("webhook:http://127.0.0.1:1/services/T0/B0/secret")
    assert "not sent: webhook at 127.0.0.1" in log[-1]
    assert "secret" not in "".join(log)


def test_the_cluster_itself_can_be_reported(inbox):
    log = send(f"ntfy:http://127.0.0.1:{inbox.server_port}/topic", incident=None)
    assert log == ["cluster: restart is refused", "  line"]
    assert inbox.mails[0][1]["Title"] == "cluster: alert"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "mail:me@example.org",
        "webhook:",
        "webhook:ftp://x",
        "http://x",
        "ntfy:topic",
        "webhook:http://[::1",
        "ntfy:http://x:port/t",
    ],
)
def test_other_receivers_are_refused(given):
    with pytest.raises(InputError, match="expected webhook:URL"):
        read_receiver(given)
