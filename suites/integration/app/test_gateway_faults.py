"""Streams, faults of experts and clients that go, by raw sockets where it matters."""

import json
import socket
import threading
import time

import pytest

from fixtures.loopback_server import refusing_url
from fixtures.processes import wait_for
from fixtures.running_gateways import SHORT, experts_at, running_gateway
from fixtures.scripted_expert import Answer, Failure, Hangup, Raw, Silence, scripted_expert
from pipecatapp.gateway.config import GatewayConfig, Timeouts

CHAT = "/v1/chat/completions"


def request_bytes(**fields):
    body = {"model": "expert-main", "messages": [{"role": "user", "content": "hi"}], **fields}
    data = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def connect(gateway):
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=30)


def events_of(reply):
    return [one.removeprefix(b"data: ") for one in reply.body.split(b"\n\n") if one.startswith(b"data: ")]


def texts_of(events):
    chunks = [json.loads(one) for one in events if one != b"[DONE]"]
    return [c["choices"][0]["delta"].get("content") for c in chunks if c.get("choices")]


def test_a_stream_comes_whole_with_usage_and_our_model(gateway):
    reply = gateway.chat(stream=True, stream_options={"include_usage": True})
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache"
    events = events_of(reply)
    assert events[-1] == b"[DONE]"
    assert texts_of(events) == [None, "t0 ", "t1 ", "t2 ", None]
    assert {json.loads(one)["model"] for one in events[:-1]} == {"expert-main"}
    assert json.loads(events[-2])["usage"]["completion_tokens"] == 3


def test_the_first_chunk_is_there_before_the_last_is_made(expert, gateway):
    expert.plan(Answer(chunks=2000, delay_s=0.05))
    with connect(gateway) as client:
        client.sendall(request_bytes(stream=True))
        data = b""
        while b"t0 " not in data:
            data += client.recv(65536)
    assert b"t100 " not in data


@pytest.mark.parametrize("act", [Hangup(), Raw(b"SSH-2.0-OpenSSH\r\n"), Raw(b"HTTP/1.1 200 OK\r\nContent-Le")], ids=str)
@pytest.mark.parametrize("stream", [True, False])
def test_one_lost_connection_before_the_first_byte_is_not_seen(expert, gateway, act, stream):
    expert.plan(act)
    reply = gateway.chat(stream=stream)
    assert reply.status == 200
    assert len(expert.script.requests) == 2


def test_a_kept_connection_that_the_expert_closes_is_not_seen(expert, gateway):
    assert gateway.chat().status == 200
    # The second request meets a connection that ends without an answer, as llama.cpp's do after 100 answers.
    expert.plan(Hangup())
    assert gateway.chat().status == 200


def test_a_stream_that_ends_before_its_first_event_is_tried_again(expert, gateway):
    expert.plan(Answer(cut_after=0), Answer(chunks=0, ends_early=True))
    reply = gateway.chat(stream=True)
    assert events_of(reply)[-1] == b"[DONE]"


@pytest.mark.parametrize(
    "act", [Answer(cut_after=2), Answer(ends_early=True), Answer(chunks=1, ends_early=True)], ids=str
)
def test_an_answer_that_breaks_off_ends_with_an_error_and_done(expert, gateway, act):
    expert.plan(act)
    events = events_of(gateway.chat(stream=True))
    assert events[-1] == b"[DONE]"
    error = json.loads(events[-2])["error"]
    assert (error["code"], error["type"], error["param"]) == ("answer_incomplete", "server_error", None)
    assert texts_of(events)[:2] == [None, "t0 "]
    # After the first byte nobody else is asked: the client has a part of this answer.
    assert len(expert.script.requests) == 1


def test_an_error_inside_of_a_stream_is_passed_on_in_openais_shape(expert, gateway):
    expert.plan(Answer(error_after=2))
    events = events_of(gateway.chat(stream=True))
    assert json.loads(events[-2])["error"]["message"] == "out of memory"
    assert events[-1] == b"[DONE]"


def test_an_error_in_place_of_a_stream_has_its_status(expert, gateway):
    expert.plan(Answer(error_after=0), Failure(400, '{"error":{"code":400,"message":"too long","type":"x"}}'))
    assert gateway.chat(stream=True).status == 502
    reply = gateway.chat(stream=True)
    assert (reply.status, reply.json["error"]["message"]) == (400, "too long")


def test_another_instance_answers_when_one_is_refused(expert):
    config = GatewayConfig(experts=experts_at(refusing_url(), expert.url), timeouts=SHORT)
    with running_gateway(config) as gateway:
        assert [gateway.chat().status for _ in range(20)] == [200] * 20


def test_a_loading_instance_is_passed_over(expert, second):
    expert.plan(always=Failure(503, '{"error":{"code":503,"message":"Loading model"}}'))
    with running_gateway(GatewayConfig(experts=experts_at(expert.url, second.url))) as gateway:
        assert [gateway.chat().status for _ in range(10)] == [200] * 10


def test_the_fallback_answers_when_no_instance_does_and_says_so(second):
    experts = {**experts_at(refusing_url()), **experts_at(second.url, name="expert-small")}
    config = GatewayConfig(experts=experts, fallbacks={"expert-main": ("expert-small",)}, timeouts=SHORT)
    with running_gateway(config) as gateway:
        for stream in (False, True):
            reply = gateway.chat(stream=stream)
            assert reply.status == 200
            assert reply.headers["x-expert"] == "expert-small"
            assert b'"expert-small"' in reply.body


def test_a_request_that_crashes_experts_does_not_crash_all_of_them(expert, second):
    expert.plan(always=Hangup())
    second.plan(always=Hangup())
    with running_gateway(GatewayConfig(experts=experts_at(*[expert.url, second.url] * 5))) as gateway:
        assert gateway.chat().status == 503
    assert len(expert.script.requests) + len(second.script.requests) == 3


def test_a_request_that_crashes_experts_does_not_reach_the_fallback(expert, second):
    expert.plan(always=Hangup())
    second.plan(always=Hangup())
    with scripted_expert("small") as small:
        experts = {**experts_at(expert.url, second.url), **experts_at(small.url, name="expert-small")}
        config = GatewayConfig(experts=experts, fallbacks={"expert-main": ("expert-small",)}, timeouts=SHORT)
        with running_gateway(config) as gateway:
            assert gateway.chat().status == 503
        assert small.script.requests == []
    seen = [*expert.script.requests, *second.script.requests]
    assert [one.json["model"] for one in seen] == ["expert-main"] * 3


def test_an_expert_that_loads_after_a_lost_connection_is_not_asked_again_and_again(expert, gateway):
    expert.plan(Hangup(), always=Failure(503, '{"error":{"code":503,"message":"Loading model"}}'))
    assert gateway.chat().status == 503
    assert len(expert.script.requests) == 2


def test_nobody_there_is_503_with_a_time_to_come_back():
    with running_gateway(GatewayConfig(experts=experts_at(refusing_url()), timeouts=SHORT)) as gateway:
        reply = gateway.chat()
    assert (reply.status, reply.json["error"]["code"]) == (503, "expert_unavailable")
    assert reply.headers["retry-after"] == "2"


@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_expert_meets_a_deadline(expert, stream):
    expert.plan(always=Silence())
    limits = Timeouts(connect_s=1, idle_s=0.3, total_s=20)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=limits)) as gateway:
        assert gateway.chat(stream=stream).status == 503
    limits = Timeouts(connect_s=1, idle_s=20, total_s=0.3)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=limits)) as gateway:
        reply = gateway.chat(stream=stream)
        assert (reply.status, reply.json["error"]["code"]) == (504, "timeout")


def test_a_stream_over_its_time_ends_with_an_error(expert):
    expert.plan(Answer(chunks=10_000, delay_s=0.05))
    limits = Timeouts(idle_s=20, total_s=1.0)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=limits)) as gateway:
        events = events_of(gateway.chat(stream=True))
    assert events[-1] == b"[DONE]"
    assert json.loads(events[-2])["error"]["code"] == "answer_incomplete"


@pytest.mark.parametrize(
    "act", [Silence(), Answer(chunks=10_000, delay_s=0.02)], ids=["before the first token", "in the middle"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_when_the_client_goes_the_experts_connection_closes(expert, gateway, act, stream):
    if not stream and isinstance(act, Answer):
        act = Silence()
    expert.plan(act)
    with connect(gateway) as client:
        client.sendall(request_bytes(stream=stream))
        assert expert.script.arrived.acquire(timeout=20)
        if stream and isinstance(act, Answer):
            assert client.recv(10)
    assert expert.script.left.acquire(timeout=20)
    wait_for("the gateway has noticed", lambda: gateway.gateway.routing.in_flight("expert-main/0") == 0)


def test_a_client_that_goes_before_its_body_is_whole_reaches_nobody(expert, gateway):
    gone = ("moe_gateway_clients_gone_total", {"model": ""})
    with connect(gateway) as client:
        client.sendall(request_bytes()[:-5])
    wait_for("it is counted", lambda: gateway.gateway.metrics.registry.get_sample_value(*gone))
    assert expert.script.requests == []


def test_comments_keep_a_stream_open_and_the_answer_follows(expert):
    expert.plan(Answer(delay_s=0.3), Answer(cut_after=0, delay_s=0.3), Answer(delay_s=0.3))
    limits = Timeouts(comment_s=0.05, idle_s=20)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=limits)) as gateway:
        first = gateway.chat(stream=True)
        # Comments are no answer: another try is still made after them.
        second = gateway.chat(stream=True)
    for reply in (first, second):
        assert reply.body.startswith(b": waiting\n\n")
        assert texts_of(events_of(reply))[1] == "t0 "


def test_an_error_after_comments_is_an_event(expert):
    expert.plan(always=Silence())
    limits = Timeouts(comment_s=0.05, idle_s=20, total_s=0.5)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=limits)) as gateway:
        events = events_of(gateway.chat(stream=True))
    assert json.loads(events[0])["error"]["code"] == "timeout"
    assert events[-1] == b"[DONE]"


def test_a_slow_client_holds_the_expert_back_and_not_the_memory(expert, gateway):
    # Only the sockets' and the read-ahead buffers fill, some MB; without a limit all events would be taken.
    expert.plan(Answer(chunks=1_000_000))
    with connect(gateway) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request_bytes(stream=True))
        assert client.recv(10)
        wait_for("the expert is held back", lambda: expert.script.sent > 0 and is_held_back(expert))
        assert expert.script.sent < 300_000
        assert gateway.gateway.routing.in_flight("expert-main/0") == 1


def is_held_back(expert):
    before = expert.script.sent
    time.sleep(0.5)
    return expert.script.sent == before


def test_streams_under_way_are_not_cut_in_silence_when_the_gateway_ends(expert):
    expert.plan(Answer(chunks=10_000, delay_s=0.02))
    with running_gateway(GatewayConfig(experts=experts_at(expert.url))) as gateway:
        client = connect(gateway)
        client.sendall(request_bytes(stream=True))
        data = client.recv(65536)
    while more := client.recv(65536):
        data += more
    client.close()
    assert b'"answer_incomplete"' in data
    assert b"data: [DONE]\n\n" in data


def test_32_streams_at_once_are_all_whole(expert, gateway):
    expert.plan(always=Answer(chunks=5, delay_s=0.01))
    replies = []

    def ask():
        replies.append(gateway.chat(stream=True))

    # 32 at one time are the default limit of a key.
    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(events_of(reply)[-1] == b"[DONE]" for reply in replies)
    assert len(replies) == 32


def test_an_expert_that_is_slow_to_take_a_connection_is_asked_once_more(expert, monkeypatch):
    # Its backlog is full at first, so that connecting takes longer than the limit, and then there is room.
    import aiohttp

    calls = []
    connect = aiohttp.TCPConnector.connect

    async def slow_at_first(self, *arguments, **options):
        calls.append(self)
        if len(calls) == 1:
            raise aiohttp.ConnectionTimeoutError
        return await connect(self, *arguments, **options)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slow_at_first)
    with running_gateway(GatewayConfig(experts=experts_at(expert.url), timeouts=SHORT)) as gateway:
        assert gateway.chat().status == 200
    assert len(calls) == 2
