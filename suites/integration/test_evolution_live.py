"""The live page over loopback: it follows the run, and answers nobody else."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from evolve.report.evolution.live import LivePage
from fixtures.evolution_runs import evolution_events


@pytest.fixture
def live() -> Iterator[LivePage]:
    with LivePage(linger_s=5.0) as opened:
        yield opened


def ask(live: LivePage, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def version_of(page: str) -> int:
    return int(page.partition('<meta name="version" content="')[2].partition('"')[0])


def test_it_is_on_this_machine_only_and_on_a_free_port(live):
    other = LivePage()
    assert urlsplit(live.url).hostname == "127.0.0.1"
    assert urlsplit(live.url).port != urlsplit(other.url).port
    other.close()


def test_the_page_has_the_run_so_far(live):
    events = list(evolution_events())
    for event in events[:100]:
        live.add(event)
    status, page, headers = ask(live)
    assert status == 200
    assert version_of(page) == 100
    assert "Not finished" in page
    assert "connect-src 'self'" in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"


def test_a_question_for_a_later_version_waits_for_it(live):
    events = list(evolution_events())
    live.add(events[0])
    answers: list[tuple[int, str, dict[str, str]]] = []
    asking = threading.Thread(target=lambda: answers.append(ask(live, "/?after=1")))
    asking.start()
    live.add(events[1])
    asking.join(10)
    assert answers[0][0] == 200
    assert version_of(answers[0][1]) == 2


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost", "127.0.0.1:1", ""])
def test_a_foreign_name_is_refused(live, host):
    status, page, _ = ask(live, Host=host)
    assert status == 403
    assert "Evolution" not in page


def test_its_other_name_is_allowed(live):
    assert ask(live, Host=f"localhost:{urlsplit(live.url).port}")[0] == 200


@pytest.mark.parametrize("path", ["/other", "//evil.example/", "/..%2f..%2fetc/passwd"])
def test_there_is_nothing_but_the_page(live, path):
    assert ask(live, path)[0] == 404


@pytest.mark.parametrize("after", ["x", "-1", "9" * 5000, "1;2"])
def test_a_wrong_version_gets_the_page(live, after):
    assert ask(live, f"/?after={after}")[0] == 200


def test_only_reading_is_possible(live):
    connection = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=20)
    connection.request("POST", "/", body="x")
    assert connection.getresponse().status == 501
    connection.close()


def test_who_follows_gets_the_last_version_before_the_server_ends():
    events = list(evolution_events())
    versions: list[int] = []
    with LivePage(linger_s=10.0) as live:
        live.add(events[0])
        version = version_of(ask(live)[1])

        def follow() -> None:
            at = version
            while at < len(events):
                at = version_of(ask(live, f"/?after={at}")[1])
                versions.append(at)

        following = threading.Thread(target=follow)
        following.start()
        for event in events[1:]:
            live.add(event)
    following.join(10)
    assert versions[-1] == len(events)


def test_a_browser_that_goes_away_is_no_news(live, capfd):
    for event in evolution_events():
        live.add(event)
    for _ in range(5):
        connection = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=20)
        connection.request("GET", "/")
        connection.close()
    assert ask(live)[0] == 200
    assert capfd.readouterr().err == ""


def test_after_the_end_nobody_answers():
    with LivePage() as live:
        pass
    with pytest.raises(ConnectionRefusedError):
        ask(live)


def raw(live: LivePage, request: bytes) -> bytes:
    host, port = urlsplit(live.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize("target", ["//[", "http://[::1", "/%%%[]"])
def test_a_malformed_target_gets_an_answer_and_no_traceback(live, target, capfd):
    live.add(next(iter(evolution_events())))
    answer = raw(live, f"GET {target} HTTP/1.0\r\nHost: {urlsplit(live.url).netloc}\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert "Traceback" not in capfd.readouterr().err


def test_two_host_headers_are_refused(live):
    name = urlsplit(live.url).netloc
    for other in (name, "evil.example"):
        answer = raw(live, f"GET / HTTP/1.0\r\nHost: {name}\r\nHost: {other}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.0 403")


def test_connections_beyond_the_limit_are_closed_and_later_ones_served(live):
    live.add(next(iter(evolution_events())))
    address = (urlsplit(live.url).hostname, urlsplit(live.url).port)
    open_ones = [socket.create_connection(address, timeout=20) for _ in range(40)]
    closed = [connection for connection in open_ones[32:] if connection.recv(1) == b""]
    assert len(closed) == 8
    for connection in open_ones:
        connection.close()
    deadline = time.monotonic() + 20
    status = 0
    while status != 200 and time.monotonic() < deadline:
        # Until the server has seen that the others are gone, it closes this one too.
        with suppress(ConnectionError, http.client.HTTPException):
            status = ask(live)[0]
    assert status == 200
