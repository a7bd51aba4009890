"""The gateway's model `pipecat` with the real agent behind it, and many sessions at once."""

import asyncio
import json
import re
import socket
import threading

import pytest

pytest.importorskip("uvicorn")

from fixtures.real_experts import real_expert
from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.running_gateways import SHORT, running_gateway
from fixtures.scripted_twin import scripted_twin
from pipecatapp.agent.config import AgentConfig, ModelConfig, TurnTimeouts
from pipecatapp.gateway.config import Access, AgentAddress, GatewayConfig, Timeouts
from pipecatapp.gateway.keys import make_key
from pipecatapp.wire.agent_events import Say


@pytest.fixture
def model():
    with scripted_twin() as found:
        yield found


@pytest.fixture
def served(model, tmp_path):
    """A gateway, the agent behind it with a key of its own, and the agent's tools."""
    key = make_key("gateway")
    (tmp_path / "keys").write_text(key.line)
    tools = WordTools()
    with (
        running_agent(AgentConfig(ModelConfig(model.url), keys_file=tmp_path / "keys"), tools) as agent,
        running_gateway(GatewayConfig(timeouts=SHORT, agent=AgentAddress(agent.url, key.key))) as gateway,
    ):
        yield gateway, agent, tools, key.key


def ask(gateway, *messages, **fields):
    roles = ["user", "assistant"] * len(messages)
    chat = [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]
    return gateway.ask("/v1/chat/completions", {"model": "pipecat", "messages": chat, **fields})


def content(reply):
    assert reply.status == 200, reply.body
    return reply.json["choices"][0]["message"]["content"]


def test_the_agent_answers_with_its_tools(served):
    gateway, _, tools, _ = served
    assert content(ask(gateway, "hello")) == "You said: hello"
    text = content(ask(gateway, '[use look] [with {"word": "kettle"}]'))
    assert "saw kettle" in text
    ((call, session),) = tools.ran
    assert call.arguments == {"word": "kettle"}
    assert session.startswith("gateway:")


def test_the_model_is_shown_the_whole_conversation(served, model):
    gateway, _, _, _ = served
    ask(gateway, "my cat is Momo", "noted", "what is my cat's name?")
    texts = [one["content"] for one in model.requests[-1]["messages"][1:]]
    assert texts == ["my cat is Momo", "noted", "what is my cat's name?"]


def test_a_stream_has_the_parts_of_the_answer(served):
    gateway, _, _, _ = served
    reply = ask(gateway, "hello", stream=True)
    events = [one.removeprefix(b"data: ") for one in reply.body.split(b"\n\n") if one.startswith(b"data: ")]
    assert events.pop() == b"[DONE]"
    deltas = [json.loads(one)["choices"][0]["delta"].get("content") for one in events]
    assert [one for one in deltas if one] == ["You said: ", "hello"]


def test_a_dangerous_call_is_refused_where_nobody_can_be_asked(served):
    gateway, _, tools, _ = served
    assert "needs a person's approval" in content(ask(gateway, '[use strike] [with {"word": "anvil"}]'))
    assert tools.ran == []


@pytest.mark.parametrize(("words", "message"), [("[break]", "broke off"), ("   ", "no text of a user")])
def test_a_failed_turn_is_an_error_of_the_gateway(served, words, message):
    gateway, _, _, _ = served
    reply = ask(gateway, words)
    assert (reply.status, reply.json["error"]["code"]) == (502, "agent_error")
    assert message in reply.json["error"]["message"]


def test_a_wrong_key_of_the_gateway_is_no_answer(model, tmp_path):
    (tmp_path / "keys").write_text(make_key("gateway").line)
    with (
        running_agent(AgentConfig(ModelConfig(model.url), keys_file=tmp_path / "keys")) as agent,
        running_gateway(GatewayConfig(timeouts=SHORT, agent=AgentAddress(agent.url, "wrong"))) as gateway,
    ):
        reply = ask(gateway, "hello")
    assert (reply.status, reply.json["error"]["code"]) == (503, "agent_unavailable")
    assert model.requests == []


def test_when_the_client_goes_the_turn_and_the_models_answer_end(served, model):
    gateway, agent, _, _ = served
    body = json.dumps({"model": "pipecat", "messages": [{"role": "user", "content": "[wait]"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head + body)
        assert model.waiting.acquire(timeout=60)
        assert agent.agent.service.running == 1
    deadline = threading.Event()
    while agent.agent.service.running and not deadline.wait(0.01):
        pass


def post_turn(agent, body, **headers):
    return agent.ask("/v1/turns", body, headers=headers)


def test_the_route_of_turns_takes_only_the_gateways_requests(served):
    _, agent, _, key = served
    good = {"response_queue_id": "q", "key_name": "k", "request": {"messages": [{"role": "user", "content": "hi"}]}}
    bearer = {"authorization": f"Bearer {key}"}
    assert post_turn(agent, good).status == 401
    assert post_turn(agent, good, **bearer).data.count(b"data: ") == 3
    assert post_turn(agent, good, **bearer, origin=agent.url).status == 415
    assert post_turn(agent, good, **{**bearer, "content-type": "text/plain"}).status == 415
    for bad in (b"nonsense", [], {}, {**good, "response_queue_id": ""}, {**good, "request": "x"}):
        assert post_turn(agent, bad, **bearer).status == 400


async def talk(agent, session, turns):
    """Return what a page's turns were answered."""
    cookie = await asyncio.to_thread(agent.log_in, "")
    found = []
    async with page_of(agent, cookie) as page:
        for turn in range(turns):
            word = f"s{session}t{turn}"
            words = f'[use look] [with {{"word": "{word}"}}]' if turn % 2 else word
            ended = await page.turn(Say(words))
            found.append((word, ended.text))
        texts = [one.text for one in page.got if hasattr(one, "text")]
    assert not [text for text in texts for other in foreign(text, session)], "words of another session"
    return found


def foreign(text, session):
    return [one for one in re.findall(r"s(\d+)t\d+", text) if int(one) != session]


@pytest.mark.parametrize(
    ("sessions", "turns"), [(12, 5), pytest.param(50, 20, marks=pytest.mark.nightly)], ids=["some", "all"]
)
def test_answers_of_many_pages_and_requests_never_cross(model, sessions, turns):
    many = {"default": Access(requests_per_minute=1_000_000, concurrent=1000)}
    # The model's one thread takes 100 connections at once: on a busy machine one may wait long for it.
    patient, slow = Timeouts(connect_s=60.0, idle_s=300.0, total_s=300.0), TurnTimeouts(connect_s=60.0, idle_s=300.0)
    config = AgentConfig(ModelConfig(model.url), most_turns=1000, timeouts=slow)
    with (
        running_agent(config, WordTools()) as agent,
        running_gateway(GatewayConfig(timeouts=patient, agent=AgentAddress(agent.url), access=many)) as gateway,
    ):
        replies = {}

        def ask_in_turn(session):
            for turn in range(turns):
                word = f"s{session}t{turn}"
                replies[word] = content(ask(gateway, word))

        threads = [threading.Thread(target=ask_in_turn, args=(1000 + one,)) for one in range(sessions)]
        for thread in threads:
            thread.start()

        async def pages():
            return await asyncio.gather(*(talk(agent, one, turns) for one in range(sessions)))

        said = [pair for found in asyncio.run(pages()) for pair in found]
        for thread in threads:
            thread.join()
        assert agent.agent.service.running == 0
    assert len(said) == len(replies) == sessions * turns
    mixed = [(word, text) for word, text in [*said, *replies.items()] if word not in text]
    assert mixed == []


def test_the_embedded_model_chooses_fills_in_and_answers_through_the_gateway(tmp_path):
    tools, patient = WordTools(), Timeouts(idle_s=300.0, total_s=300.0)
    with (
        real_expert(tmp_path / "log", "--ctx-size", "8192", "--parallel", "2") as url,
        running_agent(AgentConfig(ModelConfig(url, most_tokens=16)), tools) as agent,
        running_gateway(GatewayConfig(timeouts=patient, agent=AgentAddress(agent.url))) as gateway,
    ):
        body = {"model": "pipecat", "messages": [{"role": "user", "content": "Please look at the word kettle."}]}
        assert content(gateway.ask("/v1/chat/completions", body, timeout_s=300.0))
    assert all(set(call.arguments) == {"word"} for call, _ in tools.ran), "the schema holds the small model"
