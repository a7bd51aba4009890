"""Voice through the agent's websocket: a recording in, a tool call, speech out; and who may not hear it."""

import asyncio

import pytest

from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from fixtures.voices import VOICE, caller_of, need_voice, silence, spoken, understood
from pipecatapp.agent.config import AgentConfig, MemoryConfig, ModelConfig
from pipecatapp.agent.voice import OFF
from pipecatapp.voice.config import HearingConfig, VoiceConfig
from pipecatapp.wire.agent_events import (
    AgentState,
    Hello,
    Outcome,
    RowState,
    Say,
    Source,
    StateChanged,
    StatusRows,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from pipecatapp.wire.voice_events import LONGEST_FRAME, Heard, Hush, Push, Release, SpeechDropped, VoiceProblem

LIGHT = "Turn on the kitchen light."
ANSWER = "I have turned on the light in the kitchen."
REQUEST = "Please tell me a long story about the sea."
STORY = "The kitchen door is open. " * 20
WEATHER = "What is the weather like today?"
WARM = "The temperature in the kitchen is 21 degrees."
IDLE = StateChanged(AgentState.IDLE, "")
PAUSE = silence(3.0)


@pytest.fixture(scope="module")
def model():
    with scripted_twin() as found:
        found.spoken["kitchen light"] = f'[use look] [with {{"word": "kitchen"}}] [say {ANSWER}]'
        found.spoken["long story"] = f"[say {STORY}]"
        found.spoken["the weather"] = f"[say {WARM}]"
        yield found


@pytest.fixture(scope="module")
def agent(model, tmp_path_factory):
    need_voice()
    memory = MemoryConfig(tmp_path_factory.mktemp("memory") / "memory.sqlite")
    with running_agent(AgentConfig(ModelConfig(model.url), voice=VOICE, memory=memory), WordTools()) as found:
        yield found


def in_session(agent, work):
    """What happens with one page and one microphone of a new session."""

    async def inside():
        cookie = agent.log_in()
        async with page_of(agent, cookie) as page, caller_of(agent.url, cookie) as caller:
            return await work(page, caller)

    return asyncio.run(inside())


def is_sound(one):
    return isinstance(one, bytes)


def messages(caller, kind):
    return [one for one in caller.got if isinstance(one, kind)]


def states(page):
    return [one.state for one in page.got if isinstance(one, StateChanged)]


def test_speech_becomes_a_tool_call_and_the_answer_is_spoken(agent):
    async def work(page, caller):
        await caller.say(spoken(LIGHT) + PAUSE)
        await caller.message(Heard)
        ended = await caller.listen_while(page.until(TurnEnded))
        await caller.listen_while(page.until(StateChanged, lambda one: one == IDLE))
        return page, caller, ended

    page, caller, ended = in_session(agent, work)
    (heard,) = messages(caller, Heard)
    (started,) = [one for one in page.got if isinstance(one, TurnStarted)]
    assert started.source is Source.VOICE
    assert started.text == heard.text
    calls = [(one.tool, one.arguments) for one in page.got if isinstance(one, ToolStarted)]
    assert calls == [("look", {"word": "kitchen"})]
    assert ended.text == ANSWER
    assert "turned on the light in the kitchen" in understood(caller.sound, caller.rate)
    assert states(page)[:2] == [AgentState.IDLE, AgentState.LISTENING]
    assert states(page)[-2:] == [AgentState.SPEAKING, AgentState.IDLE]
    samples = {one.name: one.value for one in agent.agent.metrics.registry.collect() for one in one.samples}
    for name in ("stt", "tts", "voice_answer"):
        assert samples[f"pipecatapp_{name}_seconds_count"] >= 1


def test_whoever_begins_to_speak_ends_the_speech(agent):
    async def work(page, caller):
        await caller.say(spoken(REQUEST) + PAUSE)
        await caller.until(is_sound)
        await page.until(StateChanged, lambda one: one.state is AgentState.SPEAKING)
        await caller.say(spoken(WEATHER))
        await caller.until(lambda one: one == SpeechDropped())
        before = len(caller.got)
        await page.until(StateChanged, lambda one: one.state is AgentState.LISTENING)
        await caller.say(PAUSE)
        await caller.message(Heard)
        between = caller.got[before:]
        await caller.listen_while(page.until(StateChanged, lambda one: one == IDLE))
        return page, caller, between

    page, caller, between = in_session(agent, work)
    assert [one for one in between if is_sound(one)] == []
    after = caller.got[caller.got.index(between[-1]) :]
    assert "temperature in the kitchen" in understood(b"".join(filter(is_sound, after)), caller.rate)
    ends = [(one.outcome, one.text.strip()) for one in page.got if isinstance(one, TurnEnded)]
    # The first answer was complete as text: only its speech ended.
    assert ends == [(Outcome.ANSWERED, STORY.strip()), (Outcome.ANSWERED, WARM)]


def test_new_words_end_a_turn_that_is_still_answering(agent, model):
    model.spoken["good morning"] = f"[wait] [say {STORY}]"

    async def work(page, caller):
        await caller.say(spoken("Good morning.") + PAUSE)
        await caller.until(is_sound)
        await caller.say(spoken(WEATHER) + PAUSE)
        return [await caller.listen_while(page.until(TurnEnded)) for _ in range(2)]

    try:
        first, second = in_session(agent, work)
    finally:
        model.released.set()
        del model.spoken["good morning"]
    assert first.outcome is Outcome.CANCELLED
    assert (second.outcome, second.text) == (Outcome.ANSWERED, WARM)


def test_a_typed_turn_is_not_ended_by_a_voice(agent, model):
    model.released.clear()

    async def work(page, caller):
        await page.send(Say("[wait] for me"))
        await asyncio.to_thread(model.waiting.acquire)
        await caller.say(spoken(WEATHER) + PAUSE)
        problem = await caller.message(VoiceProblem)
        model.released.set()
        return problem, await page.until(TurnEnded)

    problem, ended = in_session(agent, work)
    assert (problem.code, ended.outcome) == ("busy", Outcome.ANSWERED)
    assert "a turn is running" in problem.text


def test_with_the_button_held_a_pause_is_no_end(agent):
    async def work(page, caller):
        await caller.send(Push())
        await page.until(StateChanged, lambda one: one.state is AgentState.LISTENING)
        await caller.say(spoken("Turn on") + silence(2.5) + spoken("the kitchen light."))
        await caller.send(Release())
        return await caller.message(Heard), await page.until(TurnEnded), caller

    heard, ended, caller = in_session(agent, work)
    assert "kitchen light" in heard.text.lower()
    assert ended.text == ANSWER
    assert len(messages(caller, Heard)) == 1


def test_a_button_held_in_silence_starts_no_turn(agent):
    async def work(page, caller):
        await caller.send(Push())
        await caller.say(silence(1.0))
        await caller.send(Release())
        heard = await caller.message(Heard)
        await page.until(StateChanged, lambda one: one == IDLE)
        return heard, page.got

    heard, got = in_session(agent, work)
    assert heard.text == ""
    assert not [one for one in got if isinstance(one, TurnStarted)]


def test_silence_on_request_and_the_turn_stays_as_text(agent):
    async def work(page, caller):
        await caller.say(spoken(REQUEST) + PAUSE)
        await caller.until(is_sound)
        await caller.send(Hush())
        await caller.until(lambda one: one == SpeechDropped())
        count = len(caller.got)
        await caller.listen_while(page.until(TurnEnded))
        await caller.listen_while(page.until(StateChanged, lambda one: one == IDLE))
        return caller.got[count:], [one.text for one in page.got if isinstance(one, TurnEnded)]

    after, texts = in_session(agent, work)
    assert [one for one in after if is_sound(one)] == []
    assert [one.strip() for one in texts] == [STORY.strip()]


def test_nobody_hears_another(agent):
    """Two people at once: each hears and reads the own answer alone."""

    async def talk(words):
        cookie = agent.log_in()
        async with page_of(agent, cookie) as page, caller_of(agent.url, cookie) as caller:
            await caller.say(spoken(words) + PAUSE)
            await caller.listen_while(page.until(TurnEnded))
            await caller.listen_while(page.until(StateChanged, lambda one: one == IDLE))
            return page, caller

    async def both():
        return await asyncio.gather(talk(LIGHT), talk(WEATHER))

    for (page, caller), said, other in zip(asyncio.run(both()), (ANSWER, WARM), (WARM, ANSWER), strict=True):
        assert [one.text for one in page.got if isinstance(one, TurnEnded)] == [said]
        assert len(messages(caller, Heard)) == 1
        words = understood(caller.sound, caller.rate)
        assert ("turned on the light" in words, "temperature" in words) == (said == ANSWER, said == WARM)
        assert other not in str(page.got)


def test_what_people_say_is_written_into_no_file(agent, tmp_path, monkeypatch):
    monkeypatch.setenv("PIPECAT_SMART_TURN_LOG_DATA", "1")
    monkeypatch.chdir(tmp_path)

    async def work(page, caller):
        await caller.say(spoken(WEATHER) + PAUSE)
        return await caller.listen_while(page.until(TurnEnded))

    assert in_session(agent, work).text == WARM
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_the_session_without_a_microphone_gets_no_sound(agent):
    async def work(page, caller):
        await caller.say(spoken(WEATHER) + PAUSE)
        await caller.until(is_sound)
        # It refuses every frame that is no text.
        return await page.until(TurnEnded)

    assert in_session(agent, work).text == WARM


@pytest.mark.parametrize(
    ("frame", "why"),
    [(b"\0" * 3, "middle of a sample"), ("{}", "expected version"), ('{"v": 1, "type": "sing"}', "unknown type")],
)
def test_what_is_no_sound_and_no_message_is_refused(agent, frame, why):
    async def work(_page, caller):
        await (caller.say(frame) if isinstance(frame, bytes) else caller.send(frame))
        return await caller.message(VoiceProblem)

    problem = in_session(agent, work)
    assert problem.code == "bad_message"
    assert why in problem.text


def test_a_frame_beyond_the_limit_ends_the_connection(agent):
    async def work(_page, caller):
        await caller._socket.send_bytes(bytes(LONGEST_FRAME + 2))
        with pytest.raises(ConnectionError, match="1009"):
            await caller.message(Heard)

    in_session(agent, work)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({}, 403),
        ({"origin": "own"}, 401),
        ({"origin": "own", "cookie": "x=1"}, 401),
    ],
)
def test_strangers_have_no_microphone(agent, headers, status):
    sent = {name: agent.url if value == "own" else value for name, value in headers.items()}
    assert agent.ask("/voice", headers=sent).status == status


def test_more_microphones_than_may_be_open_are_refused(model):
    need_voice()
    voice = VoiceConfig(hearing=VOICE.hearing, speaking=VOICE.speaking, most_listeners=1)
    with running_agent(AgentConfig(ModelConfig(model.url), voice=voice)) as agent:

        async def work(_page, _caller):
            headers = {"cookie": agent.log_in(), "origin": agent.url}
            return await asyncio.to_thread(agent.ask, "/voice", headers=headers)

        assert in_session(agent, work).status == 429


def test_one_session_cannot_take_all_microphones(model):
    need_voice()
    voice = VoiceConfig(hearing=VOICE.hearing, speaking=VOICE.speaking, most_listeners=3, most_per_session=1)
    with running_agent(AgentConfig(ModelConfig(model.url), voice=voice)) as agent:
        mine, other = agent.log_in(), agent.log_in()

        async def work():
            async with caller_of(agent.url, mine):
                headers = {"cookie": mine, "origin": agent.url}
                second = await asyncio.to_thread(agent.ask, "/voice", headers=headers)
                async with caller_of(agent.url, other) as caller:
                    await caller.send(Push())
            return second

        refusal = asyncio.run(work())
        assert (refusal.status, "close one of them" in refusal.data.decode()) == (429, True)
        for _ in range(2):
            with agent.agent.voice.microphone("a page that closed its own"):
                pass


def test_an_agent_whose_voice_fails_serves_people_who_type_and_says_why(model, tmp_path):
    need_voice()
    (tmp_path / "model.bin").write_bytes(b"half of a model")
    voice = VoiceConfig(hearing=HearingConfig(model=tmp_path), speaking=VOICE.speaking)
    with running_agent(AgentConfig(ModelConfig(model.url), voice=voice)) as agent:
        cookie = agent.log_in()

        async def work():
            async with page_of(agent, cookie) as page:
                rows = await page.until(StatusRows, lambda one: one.rows[-1].state is RowState.FAILED)
                return rows.rows[-1], await page.turn(Say("hello"))

        row, ended = asyncio.run(work())
        assert (row.component, ended.outcome) == ("voice", Outcome.ANSWERED)
        assert "cannot be read" in row.detail
        refusal = agent.ask("/voice", headers={"cookie": cookie, "origin": agent.url})
        assert (refusal.status, "bootstrap.sh voice" in refusal.data.decode()) == (503, True)


def test_an_agent_without_voice_says_why(model):
    with running_agent(AgentConfig(ModelConfig(model.url))) as agent:
        cookie = agent.log_in()
        refusal = agent.ask("/voice", headers={"cookie": cookie, "origin": agent.url})
        assert (refusal.status, OFF in refusal.data.decode()) == (503, True)

        async def hello():
            async with page_of(agent, cookie) as page:
                return page.got[0]

        first = asyncio.run(hello())
        assert isinstance(first, Hello)
        assert (first.has_voice, first.voice_problem) == (False, OFF)
