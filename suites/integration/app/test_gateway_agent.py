"""The model `pipecat`: each request has a queue of its own; the agent is in this process, or behind a port."""

import json
import socket
import threading

import pytest

from fixtures.running_gateways import SHORT, running_gateway
from fixtures.scripted_agents import InProcessAgent, remote_agent
from pipecatapp.gateway.config import AgentAddress, GatewayConfig

MESSAGES = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "u1"}]


@pytest.fixture(params=["in process", "remote"])
def served(request):
    if request.param == "in process":
        agent = InProcessAgent()
        with running_gateway(GatewayConfig(timeouts=SHORT), agent=agent) as gateway:
            yield gateway, agent
    else:
        with (
            remote_agent() as agent,
            running_gateway(GatewayConfig(timeouts=SHORT, agent=AgentAddress(agent.url))) as gateway,
        ):
            yield gateway, agent


def ask(gateway, content, **fields):
    messages = [*MESSAGES, {"role": "user", "content": content}]
    return gateway.ask("/v1/chat/completions", {"model": "pipecat", "messages": messages, **fields})


def texts(reply):
    events = [one.removeprefix(b"data: ") for one in reply.body.split(b"\n\n") if one]
    assert events[-1] == b"[DONE]"
    return [json.loads(one) for one in events[:-1]]


def test_the_whole_conversation_reaches_the_agent_and_its_text_comes_back(served):
    gateway, agent = served
    reply = ask(gateway, "hello", temperature=0.5)
    assert reply.json["choices"][0]["message"]["content"] == "3 messages, last: hello"
    assert (reply.json["model"], reply.json["object"]) == ("pipecat", "chat.completion")
    (seen,) = agent.requests
    assert seen.request["temperature"] == 0.5
    assert seen.key_name == "anonymous"
    assert seen.response_queue_id in reply.json["id"]


def test_a_stream_has_a_role_the_parts_and_an_end(served):
    gateway, _ = served
    found = texts(ask(gateway, "hello", stream=True, stream_options={"include_usage": True}))
    assert [one["choices"][0]["delta"] for one in found if one["choices"]] == [
        {"role": "assistant", "content": ""}, {"content": "3 messages, "}, {"content": "last: hello"}, {},
    ]  # fmt: skip
    assert found[-1]["usage"]["total_tokens"] == 0


def test_every_request_has_a_queue_of_its_own_and_answers_never_cross(served):
    gateway, agent = served
    replies = {}

    def talk(session):
        for turn in range(5):
            text = f"session {session} turn {turn}"
            replies[text] = ask(gateway, text).json["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=talk, args=(one,)) for one in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == {text: f"3 messages, last: {text}" for text in replies}
    assert len(replies) == len({one.response_queue_id for one in agent.requests}) == 100


def test_words_for_another_queue_are_never_shown(served):
    gateway, _ = served
    assert ask(gateway, "cross").json["choices"][0]["message"]["content"] == "3 messages, last: cross"


@pytest.mark.parametrize(("word", "message"), [("fail", "the tool is broken"), ("stop", "without an answer")])
def test_a_failed_turn_is_an_error(served, word, message):
    gateway, _ = served
    reply = ask(gateway, word)
    assert (reply.status, reply.json["error"]["code"]) == (502, "agent_error")
    assert message in reply.json["error"]["message"]
    reply = ask(gateway, word, stream=True)
    found = texts(reply)[-1] if reply.status == 200 else reply.json
    assert message in found["error"]["message"]


def test_when_the_client_goes_the_turn_ends(served):
    gateway, agent = served
    body = json.dumps({"model": "pipecat", "messages": [{"role": "user", "content": "wait"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head + body)
        while not agent.requests:
            threading.Event().wait(0.01)
    assert agent.cancelled.acquire(timeout=20)


def test_the_agent_is_listed_and_answers_chats_only(served):
    gateway, _ = served
    assert [one["id"] for one in gateway.ask("/v1/models").json["data"]] == ["pipecat"]
    reply = gateway.ask("/v1/completions", {"model": "pipecat", "prompt": "x"})
    assert (reply.status, reply.json["error"]["code"]) == (400, "not_supported")


def test_an_agent_that_is_away_is_503():
    from fixtures.loopback_server import refusing_url

    with running_gateway(GatewayConfig(timeouts=SHORT, agent=AgentAddress(refusing_url()))) as gateway:
        reply = ask(gateway, "x")
    assert (reply.status, reply.json["error"]["code"]) == (503, "agent_unavailable")
