"""Faults of the model's endpoint, each as a fault with a message for people."""

import asyncio

import pytest

from evolve.core.model.errors import HttpFault
from fixtures.loopback_server import refusing_url
from fixtures.scripted_expert import Answer, Failure, Hangup, Raw, Silence, scripted_expert
from pipecatapp.agent.config import TurnTimeouts
from pipecatapp.agent.endpoints import Endpoint
from pipecatapp.agent.model_calls import ModelCalls

BODY = {"messages": [{"role": "user", "content": "hi"}]}


class TheseEndpoints:
    """Fixed ones."""

    name = "these"

    def __init__(self, *urls):
        self._found = [Endpoint(url, "smol", "kkk-1") for url in urls]

    def now(self):
        return self._found


@pytest.fixture(scope="module")
def expert():
    with scripted_expert() as found:
        yield found


def ask(*urls, parts=False, idle_s=20.0):
    tokens = []

    async def inside():
        calls = ModelCalls(TheseEndpoints(*urls), TurnTimeouts(idle_s=idle_s), tokens.append)
        try:
            return [part async for part in calls.parts(BODY)] if parts else await calls.whole(BODY)
        finally:
            await calls.close()

    return asyncio.run(inside()), tokens


def test_an_answer_comes_whole_or_in_parts_with_its_tokens(expert):
    expert.plan()
    text, tokens = ask(expert.url)
    assert (text, tokens[0].prompt, tokens[0].completion) == ("echo: hi", 5, 3)
    parts, tokens = ask(expert.url, parts=True)
    assert (parts, tokens[0].completion) == (["t0 ", "t1 ", "t2 "], 3)
    seen = expert.script.requests[-1]
    assert seen.headers["authorization"] == "Bearer kkk-1"
    assert seen.json["model"] == "smol"


def test_a_connection_that_closes_before_an_answer_is_tried_again(expert):
    expert.plan(Hangup(), Hangup())
    assert ask(expert.url)[0] == "echo: hi"
    expert.plan(always=Hangup())
    with pytest.raises(HttpFault, match="cannot be reached"):
        ask(expert.url)
    assert len(expert.script.requests) == 3


def test_another_endpoint_is_asked_where_the_first_is_away(expert):
    expert.plan()
    assert ask(refusing_url(), expert.url)[0] == "echo: hi"


def test_without_an_endpoint_the_model_is_named():
    with pytest.raises(HttpFault, match="no instance of these passes its checks"):
        ask()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Failure(500), "no luck"),
        (Failure(503, "{}"), "status 503"),
        (Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnope"), "not JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\nhalf"), "broke off"),
    ],
)
def test_a_wrong_answer_is_a_fault(expert, act, message):
    expert.plan(always=act)
    with pytest.raises(HttpFault, match=message):
        ask(expert.url)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Answer(cut_after=2), "broke off"),
        (Answer(ends_early=True), "broke off"),
        (Answer(error_after=2), "out of memory"),
    ],
)
def test_a_stream_that_is_not_whole_is_a_fault(expert, act, message):
    expert.plan(always=act)
    with pytest.raises(HttpFault, match=message):
        ask(expert.url, parts=True)


def test_silence_is_a_fault_at_once_and_not_asked_again(expert):
    expert.plan(always=Silence())
    with pytest.raises(HttpFault, match="did not answer in time"):
        ask(expert.url, idle_s=0.2)
    assert len(expert.script.requests) == 1
