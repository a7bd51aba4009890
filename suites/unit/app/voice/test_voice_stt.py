"""The queue in front of the one model of speech: who waits for it, and who need not."""

import asyncio
import threading
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.voice.stt import FasterWhisper


class SlowEar(FasterWhisper):
    """A model that takes until `hears` is set."""

    def __init__(self, timeout_s: float = 30.0) -> None:
        super().__init__(Path("no-model"), "en", timeout_s=timeout_s)
        self.began: list[bytes] = []
        self.hears = threading.Event()

    def _words(self, sound: bytes) -> str:
        self.began.append(sound)
        assert self.hears.wait(60)
        return "words"


async def begun(ear: SlowEar) -> "asyncio.Task[str]":
    first = asyncio.create_task(ear.transcribe(b"first"))
    while not ear.began:
        await asyncio.sleep(0.01)
    return first


def test_what_nobody_waits_for_any_more_is_not_transcribed_and_holds_up_nobody():
    async def run() -> list[bytes]:
        ear = SlowEar()
        first = await begun(ear)
        for _ in range(20):  # more than may wait at one time
            interrupted = asyncio.create_task(ear.transcribe(b"interrupted"))
            await asyncio.sleep(0)
            interrupted.cancel()
            await asyncio.gather(interrupted, return_exceptions=True)
        last = asyncio.create_task(ear.transcribe(b"last"))
        await asyncio.sleep(0)
        ear.hears.set()
        assert await asyncio.gather(first, last) == ["words", "words"]
        await ear.close()
        return ear.began

    assert asyncio.run(run()) == [b"first", b"last"]


def test_what_has_begun_counts_until_its_end_and_no_more_may_wait_than_eight():
    async def run() -> None:
        ear = SlowEar()
        first = await begun(ear)
        waiting = [asyncio.create_task(ear.transcribe(b"more")) for _ in range(7)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        with pytest.raises(EnvironmentFault, match="8 utterances wait"):
            await ear.transcribe(b"too many")
        ear.hears.set()
        assert await asyncio.gather(*waiting) == ["words"] * 7
        await ear.close()

    asyncio.run(run())


def test_an_utterance_that_takes_too_long_is_a_fault():
    async def run() -> None:
        ear = SlowEar(timeout_s=0.05)
        with pytest.raises(EnvironmentFault, match="was not understood in"):
            await ear.transcribe(b"first")
        ear.hears.set()
        await ear.close()

    asyncio.run(run())
