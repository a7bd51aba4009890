"""The agent's page and websocket: logins, turns, approvals, and what may not come in."""

import asyncio
import json

import aiohttp
import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("pydantic")

from fixtures.loopback_server import refusing_url
from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from pipecatapp.agent.config import AgentConfig, MemoryConfig, ModelConfig
from pipecatapp.agent.turns import LOG
from pipecatapp.gateway.keys import make_key
from pipecatapp.wire.agent_events import (
    AgentState,
    ApprovalAsked,
    ApprovalEnded,
    ApprovalOutcome,
    Approve,
    CancelTurn,
    Deny,
    ErrorMessage,
    Hello,
    LogLine,
    Outcome,
    Ping,
    Pong,
    Say,
    StateChanged,
    StatusRows,
    TextPart,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)


@pytest.fixture(scope="module")
def model():
    with scripted_twin() as found:
        yield found


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    made = {name: make_key(name) for name in ("alice", "bob")}
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("".join(f"{one.line}\n" for one in made.values()))
    return file, {name: one.key for name, one in made.items()}


@pytest.fixture(scope="module")
def tools():
    return WordTools()


@pytest.fixture(scope="module")
def agent(model, keys, tools, tmp_path_factory):
    config = AgentConfig(
        ModelConfig(model.url, name="scripted", provider_id="llamacpp:smollm2-135m", advice="a larger one is better"),
        keys_file=keys[0],
        memory=MemoryConfig(tmp_path_factory.mktemp("memory") / "memory.sqlite"),
    )
    with running_agent(config, tools) as found:
        yield found


def with_page(agent, keys, work, name="alice"):
    async def inside():
        async with page_of(agent, agent.log_in(keys[1][name])) as page:
            return await work(page)

    return asyncio.run(inside())


def test_the_first_message_names_model_accuracy_and_tools(agent, keys):
    async def work(page):
        await page.until(StatusRows)
        return page.got

    hello, *others = with_page(agent, keys, work)
    assert isinstance(hello, Hello)
    assert (hello.model, hello.advice) == ("scripted", "a larger one is better")
    assert hello.agent.startswith("TWIN_AGENT@")
    assert 0 < hello.accuracy < 1
    assert [one.name for one in hello.tools] == ["look", "strike"]
    assert StateChanged(AgentState.IDLE, "") in others
    assert {row.component for one in others if isinstance(one, StatusRows) for row in one.rows} == {"agent", "model"}


def test_a_turn_without_a_tool_has_parts_and_an_end(agent, keys):
    async def work(page):
        ended = await page.turn(Say("hello"))
        await page.until(StateChanged, lambda one: one.state is AgentState.IDLE)
        return ended, page.got

    ended, got = with_page(agent, keys, work)
    assert (ended.outcome, ended.text) == (Outcome.ANSWERED, "You said: hello")
    assert "".join(one.text for one in got if isinstance(one, TextPart)) == "You said: hello"
    states = [one.state for one in got if isinstance(one, StateChanged)]
    assert states == [AgentState.IDLE, AgentState.THINKING, AgentState.SPEAKING, AgentState.IDLE]


def test_a_tool_runs_and_its_result_is_in_the_answer(agent, keys):
    async def work(page):
        return await page.turn(Say('please [use look] [with {"word": "kettle"}]')), page.got

    ended, got = with_page(agent, keys, work)
    (started,) = [one for one in got if isinstance(one, ToolStarted)]
    (tool_ended,) = [one for one in got if isinstance(one, ToolEnded)]
    assert (started.tool, started.arguments) == ("look", {"word": "kettle"})
    assert (tool_ended.call, tool_ended.text, tool_ended.is_error) == (started.call, "saw kettle", False)
    assert "saw kettle" in ended.text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('[use look] [with {"word": 5}]', "bad_arguments"),
        ('[use look] [with {"word": "none"}]', "failed"),
        ('[use look] [with {"word": "kettle", "more": [1e999]}]', "bad_arguments"),
        ("[use toaster]", "unknown_tool"),
    ],
)
def test_a_failed_call_is_reported_and_the_agent_answers(agent, keys, words, reason):
    async def work(page):
        return await page.turn(Say(words)), page.got

    ended, got = with_page(agent, keys, work)
    assert next(one.reason for one in got if isinstance(one, ToolEnded)) == reason
    assert ended.outcome is Outcome.ANSWERED


STRIKE = Say('[use strike] [with {"word": "anvil"}]')


@pytest.mark.parametrize(("decision", "outcome"), [(Approve, ApprovalOutcome.APPROVED), (Deny, ApprovalOutcome.DENIED)])
def test_a_dangerous_call_runs_only_when_it_was_approved(agent, keys, tools, decision, outcome):
    tools.ran.clear()

    async def work(page):
        await page.send(STRIKE)
        asked = await page.until(ApprovalAsked)
        assert tools.ran == []
        await page.send(decision(asked.id))
        ended = await page.until(ApprovalEnded)
        await page.until(TurnEnded)
        await page.send(decision(asked.id))
        again = await page.until(ErrorMessage)
        return asked, ended, again

    asked, ended, again = with_page(agent, keys, work)
    assert (asked.tool, asked.arguments, asked.risk) == ("strike", {"word": "anvil"}, "danger")
    assert (ended.id, ended.outcome) == (asked.id, outcome)
    assert again.code == "unknown_approval"
    assert len(tools.ran) == (outcome is ApprovalOutcome.APPROVED)
    audit = asyncio.run_coroutine_threadsafe(agent.agent.memory.approvals("alice"), agent.loop).result()
    assert (audit[-1].tool, audit[-1].outcome) == ("strike", outcome)


def test_nobody_else_can_approve(agent, keys, tools):
    tools.ran.clear()

    async def work():
        alice, bob = agent.log_in(keys[1]["alice"]), agent.log_in(keys[1]["bob"])
        async with (
            page_of(agent, alice) as own,
            page_of(agent, bob) as other,
            page_of(agent, agent.log_in(keys[1]["alice"])) as third,
        ):
            await own.send(STRIKE)
            asked = await own.until(ApprovalAsked)
            for stranger in (other, third):
                await stranger.send(Approve(asked.id))
                assert (await stranger.until(ErrorMessage)).code == "unknown_approval"
            await own.send(Deny(asked.id))
            await own.until(TurnEnded)

    asyncio.run(work())
    assert tools.ran == []


def test_a_second_page_of_the_session_sees_what_runs_and_may_approve(agent, keys):
    async def work():
        cookie = agent.log_in(keys[1]["alice"])
        async with page_of(agent, cookie) as first:
            await first.turn(Say("before"))
            await first.send(STRIKE)
            await first.until(ApprovalAsked)
            async with page_of(agent, cookie) as second:
                hello = second.got[0]
                started = await second.until(TurnStarted)
                asked = await second.until(ApprovalAsked)
                await second.send(Approve(asked.id))
                return hello, started, asked, await first.until(TurnEnded), await second.until(TurnEnded)

    hello, started, asked, one, two = asyncio.run(work())
    assert [entry.text for entry in hello.history] == ["before", "You said: before"]
    assert started.text == STRIKE.text
    assert 0 < asked.expires_s <= 60
    assert one == two


def test_a_running_turn_is_cancelled_and_a_second_one_has_to_wait(agent, keys, model):
    async def work(page):
        await page.send(Say("[wait] please"))
        started = await page.until(TurnStarted)
        await page.until(TextPart)
        await page.send(Say("me too"))
        busy = await page.until(ErrorMessage)
        await page.send(CancelTurn("another"))
        unknown = await page.until(ErrorMessage)
        await page.send(CancelTurn(started.turn))
        return busy, unknown, await page.until(TurnEnded)

    busy, unknown, ended = with_page(agent, keys, work)
    assert (busy.code, unknown.code) == ("busy", "unknown_turn")
    assert (ended.outcome, ended.text) == (Outcome.CANCELLED, "You said: ")


def test_a_model_that_breaks_off_fails_the_turn_and_the_next_one_works(agent, keys):
    async def work(page):
        failed = await page.turn(Say("[break]"))
        await page.until(StateChanged, lambda one: one.state is AgentState.ERROR)
        return failed, await page.turn(Say("again")), page.got

    failed, again, got = with_page(agent, keys, work)
    assert (failed.outcome, again.outcome) == (Outcome.FAILED, Outcome.ANSWERED)
    assert any(isinstance(one, ErrorMessage) and "broke off" in one.text for one in got)


def test_what_is_no_message_is_answered_and_the_connection_stays(agent, keys):
    async def work(page):
        await page.send("nonsense")
        error = await page.until(ErrorMessage)
        await page.send(Ping())
        await page.until(Pong)
        return error

    assert with_page(agent, keys, work).code == "bad_message"


def test_words_are_remembered_over_a_restart(model, keys, tmp_path):
    config = AgentConfig(ModelConfig(model.url), keys_file=keys[0], memory=MemoryConfig(tmp_path / "memory.sqlite"))
    with running_agent(config) as agent:
        cookie = agent.log_in(keys[1]["alice"])

        async def say():
            async with page_of(agent, cookie) as page:
                await page.turn(Say("my cat is Momo"))

        asyncio.run(say())
    with running_agent(config) as agent:

        async def look():
            async with page_of(agent, cookie) as page:
                return page.got[0]

        history = asyncio.run(look()).history
        assert [one.text for one in history] == ["my cat is Momo", "You said: my cat is Momo"]
        headers = {"cookie": cookie}
        found = json.loads(agent.ask("/api/memory/search?q=momo", headers=headers).data)["entries"]
        assert len(found) == 2
        export = agent.ask("/api/memory", headers=headers).data
        assert agent.ask("/api/memory", headers=headers, method="DELETE").status == 204
        assert agent.ask("/api/memory", headers=headers).data == b""
        assert asyncio.run(look()).history == (), "nor is it in the session any more"
        assert json.loads(agent.ask("/api/memory", export, headers=headers).data)["added"] == 2
        assert agent.ask("/api/memory", b"nonsense", headers=headers).status == 400


def refuse(agent, headers):
    async def inside():
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await client.ws_connect(f"{agent.url}/ws", headers=headers)
            return error.value.status

    return asyncio.run(inside())


def test_the_websocket_is_for_the_own_page_with_a_login_only(agent, keys):
    cookie = agent.log_in(keys[1]["alice"])
    assert refuse(agent, {"cookie": cookie, "origin": "http://evil.example"}) == 403
    assert refuse(agent, {"cookie": cookie}) == 403
    assert refuse(agent, {"cookie": cookie, "origin": "null"}) == 403
    assert refuse(agent, {"origin": agent.url}) == 401
    assert refuse(agent, {"cookie": "pipecatapp_session=guessed", "origin": agent.url}) == 401


def test_a_login_needs_a_key_and_ends_with_it_or_a_logout(agent, keys):
    assert agent.ask("/login", {"key": "sk-anneal-wrong"}).status == 401
    assert agent.ask("/login", b"no json").status == 400
    assert agent.ask("/login", {"key": "x" * 5000}).status == 400
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert agent.ask("/login", b"key=x", headers=form).status == 400
    evil = {"origin": "http://evil.example"}
    assert agent.ask("/login", {"key": keys[1]["alice"]}, headers=evil).status == 403
    response = agent.ask("/login", {"key": keys[1]["alice"]})
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    headers = {"cookie": cookie.partition(";")[0]}
    assert json.loads(agent.ask("/api/session", headers=headers).data)["session"]
    assert agent.ask("/api/status", headers=headers).status == 200
    assert agent.ask("/logout", b"", headers=headers).status == 204
    assert json.loads(agent.ask("/api/session", headers=headers).data) == {"needs_key": True, "session": None}
    assert agent.ask("/api/status", headers=headers).status == 401


def test_status_is_for_keys_too(agent, keys):
    bearer = {"authorization": f"Bearer {keys[1]['bob']}"}
    found = json.loads(agent.ask("/api/status", headers=bearer).data)
    assert found["v"] == 1
    assert [row["component"] for row in found["rows"]] == ["agent", "model"]
    assert set(found["rows"][0]) == {"component", "state", "since", "detail", "link"}
    assert agent.ask("/api/status").status == 401


def test_every_answer_has_the_headers_of_a_careful_page(agent):
    for path in ("/api/session", "/", "/nothing", "/login"):
        headers = agent.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_on_loopback_without_keys_a_strange_name_is_refused(model):
    with running_agent(AgentConfig(ModelConfig(model.url))) as agent:
        assert json.loads(agent.ask("/api/session").data) == {"needs_key": False, "session": None}
        assert agent.log_in()
        assert agent.ask("/api/session", headers={"host": "evil.example:8002"}).status == 421
        assert agent.ask("/login", {"key": ""}, headers={"host": "evil.example"}).status == 421
        assert agent.ask("/health/live", headers={"host": "10.0.0.7:8002"}).status == 200


def test_a_login_ends_when_its_key_is_removed(model, tmp_path):
    key = make_key("alice")
    file = tmp_path / "keys"
    file.write_text(key.line)
    with running_agent(AgentConfig(ModelConfig(model.url), keys_file=file)) as agent:
        headers = {"cookie": agent.log_in(key.key)}
        assert agent.ask("/api/status", headers=headers).status == 200
        file.write_text("")
        while agent.ask("/api/status", headers=headers).status == 200:
            pass
        assert agent.ask("/api/status", headers=headers).status == 401


def test_a_page_that_says_nothing_gets_nothing_after_its_logout(agent, keys):
    cookie = agent.log_in(keys[1]["alice"])

    async def work():
        async with page_of(agent, cookie) as page:
            await page.until(StatusRows)
            session = next(one for one in agent.agent.service.sessions() if one.id == page.got[0].session)
            await asyncio.to_thread(agent.ask, "/logout", {}, headers={"cookie": cookie})
            agent.loop.call_soon_threadsafe(session.publish, TextPart("t", "words of later"), 0.0)
            with pytest.raises(ConnectionError, match="4401"):
                await page.until(TextPart)

    asyncio.run(work())


def test_a_memory_that_fails_stops_neither_logins_nor_turns(model, keys, tmp_path):
    config = AgentConfig(ModelConfig(model.url), keys_file=keys[0], memory=MemoryConfig(tmp_path / "memory.sqlite"))
    with running_agent(config) as agent:
        memory = agent.agent.memory
        memory._thread.submit(memory._file.close).result()
        cookie = agent.log_in(keys[1]["alice"])

        async def say():
            async with page_of(agent, cookie) as page:
                return await page.turn(Say("hello"))

        assert asyncio.run(say()).text == "You said: hello"
        failed = agent.ask("/api/memory", headers={"cookie": cookie})
        assert failed.status == 503
        assert json.loads(failed.data)["error"]["code"] == "memory_failed"


def test_a_model_that_is_down_is_a_failed_row_with_what_to_do():
    with running_agent(AgentConfig(ModelConfig(refusing_url(), name="smol"))) as agent:
        chat = {"messages": [{"role": "user", "content": "hi"}]}
        agent.ask("/v1/turns", {"response_queue_id": "q", "key_name": "alice", "request": chat})
        rows = json.loads(agent.ask("/api/status", headers={"cookie": agent.log_in()}).data)["rows"]
        (row,) = [one for one in rows if one["component"] == "model"]
        assert row["state"] == "failed"
        assert row["detail"].startswith("the model smol cannot be reached (")
        assert "check that it runs" in row["detail"]


def test_the_agents_log_is_in_the_terminal_of_the_session_that_it_is_about(agent, keys):
    async def run():
        alice, bob = agent.log_in(keys[1]["alice"]), agent.log_in(keys[1]["bob"])
        async with page_of(agent, alice) as first, page_of(agent, bob) as second:
            turn = await first.turn(Say("hello"))
            line = await first.until(LogLine, lambda one: one.component == "agent")
            assert (line.level, line.text) == ("info", f"turn {turn.turn}: answered after 0 calls of tools")
            LOG.error("the store is full, password=hunter2-of-a-test")
            said = [await page.until(LogLine, lambda one: one.level == "error") for page in (first, second)]
            assert said[0] == said[1]
            assert said[0].text.startswith("the store is full, password=<secret:")
            assert not [one for one in second.got if isinstance(one, LogLine) and "turn " in one.text]

    LOG.setLevel("INFO")
    asyncio.run(run())
