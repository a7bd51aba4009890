"""The pipeline of one microphone, between a room and a page that write down what they get."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from evolve.core.model.errors import EnvironmentFault
from fixtures.voices import VOICE, need_voice, silence, spoken
from pipecatapp.voice.tts import make_tts
from pipecatapp.wire.voice_events import Heard, VoiceProblem, VoiceServerMessage

WEATHER = "What is the weather like today?"
LIGHT = "Turn on the kitchen light."
PAUSE = silence(3.0)
VOICED = slice(20_000, 50_000)
"""Bytes of the sentence between its first and its last silence."""
LONGEST_S = 4.0
_WAIT_S = 60.0


class Room:
    """`VoiceRoom` in which nobody answers until `answers` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.shown: list[str] = ["idle"]
        self.reports: list[tuple[int, str]] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.fault: EnvironmentFault | None = None
        self.observed: list[str] = []

    def person_speaks(self) -> None:
        self.shown.append("listening")

    def nothing_said(self) -> None:
        self.shown.append("idle")

    def agent_speaks(self, *, is_speaking: bool) -> None:
        self.shown.append("speaking" if is_speaking else "idle")

    def report(self, level: int, problem: str) -> None:
        self.reports.append((level, problem))

    def observe(self, what: str, seconds: float) -> None:
        assert seconds >= 0
        self.observed.append(what)

    async def ask(self, words: str) -> AsyncIterator[str]:
        self.asked.append(words)
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault
        self.shown.append("speaking")

        async def parts() -> AsyncIterator[str]:
            yield "Yes. "

        return parts()


class Page:
    """`VoicePage` that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[VoiceServerMessage | bytes] = []

    async def send(self, message: VoiceServerMessage) -> None:
        self.got.append(message)

    async def send_sound(self, sound: bytes) -> None:
        self.got.append(sound)

    @property
    def heard(self) -> list[str]:
        """What was understood."""
        return [one.text for one in self.got if isinstance(one, Heard)]


class Ear:
    """`SpeechToText` that understands how long somebody spoke; waits until `hears` is set."""

    def __init__(self) -> None:
        self.sounds: list[bytes] = []
        self.hears = asyncio.Event()
        self.hears.set()

    async def load(self) -> None:
        """Do nothing."""

    async def transcribe(self, sound: bytes) -> str:
        self.sounds.append(sound)
        await self.hears.wait()
        return f"{len(sound)} bytes"

    async def close(self) -> None:
        """Do nothing."""


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(_WAIT_S):
        while not is_so():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def microphone(room: Room, page: Page, ear: Ear):
    from pipecatapp.voice.pipeline import Detectors, VoicePipeline

    voice = VoicePipeline(room, page, ear, make_tts(VOICE), Detectors.load(), longest_s=LONGEST_S)
    running = asyncio.create_task(voice.run())
    try:
        await voice.wait_ready()
        yield voice
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def run(work):
    """What happens with one microphone."""
    need_voice()

    async def inside():
        room, page, ear = Room(), Page(), Ear()
        async with microphone(room, page, ear) as voice:
            await work(room, page, ear, voice)

    asyncio.run(inside())


def test_who_holds_the_button_for_too_long_is_answered_and_the_next_words_are_heard():
    async def work(room, page, ear, voice):
        await voice.push()
        await voice.feed(spoken(WEATHER) * 6)
        await voice.release()
        await until(lambda: room.asked)
        assert len(ear.sounds[0]) // 32_000 == LONGEST_S
        await until(lambda: room.shown[-1] == "idle")
        await voice.push()
        await voice.feed(spoken(LIGHT))
        await voice.release()
        await until(lambda: len(room.asked) == 2)
        await until(lambda: room.shown[-1] == "idle")
        assert len(page.heard) == 2

    run(work)


def test_who_speaks_for_too_long_without_a_pause_is_answered_and_heard_after_the_next_pause():
    async def work(room, page, ear, voice):
        ear.hears.clear()
        # At most five seconds wait to be heard: when the pause is taken, all speech was heard.
        await voice.feed(spoken(WEATHER)[VOICED] * 8 + silence(6.0))
        assert room.shown.count("listening") == 1
        ear.hears.set()
        await until(lambda: room.asked)
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: len(room.asked) == 2)
        assert len(ear.sounds) == 2
        assert len(ear.sounds[0]) // 32_000 == LONGEST_S
        await until(lambda: room.shown[-1] == "idle")

    run(work)


def test_words_that_were_understood_and_are_no_turn_yet_belong_to_those_that_follow():
    async def work(room, page, ear, voice):
        room.answers.clear()
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: room.asked)
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: len(ear.sounds) == 2)
        first, second = ear.sounds
        assert second.startswith(first)
        room.answers.set()
        await until(lambda: len(room.asked) == 2)
        await until(lambda: room.shown[-1] == "idle")
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: len(ear.sounds) == 3)
        assert not ear.sounds[2].startswith(first)

    run(work)


@pytest.mark.parametrize("waits_for", ["words", "turn"])
def test_silence_on_request_leaves_nobody_listening_or_speaking(waits_for):
    async def work(room, page, ear, voice):
        (ear.hears if waits_for == "words" else room.answers).clear()
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: ear.sounds if waits_for == "words" else room.asked)
        await voice.hush()
        await until(lambda: room.shown[-1] == "idle")

    run(work)


def test_a_turn_that_cannot_start_is_reported_and_its_words_are_over():
    async def work(room, page, ear, voice):
        room.fault = EnvironmentFault("a turn is running")
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: VoiceProblem("busy", "a turn is running") in page.got)
        assert room.reports == [(logging.WARNING, "a turn is running")]
        room.fault = None
        await voice.feed(spoken(LIGHT) + PAUSE)
        await until(lambda: len(room.asked) == 2)
        assert not ear.sounds[1].startswith(ear.sounds[0])

    run(work)
