"""From words to speech, by programs under the GPL: they run as processes and are never imported."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Final, TypeVar

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.core.ports import TextToSpeech
from pipecatapp.voice.config import PIPER, VoiceConfig
from pipecatapp.voice.installed import INSTALL, INSTALL_ESPEAK
from pipecatapp.voice.speech_program import SpeechProgram

ESPEAK_RATE: Final = 22_050
_WAV_HEADER: Final = 44
"""Bytes; espeak-ng writes it in front, with a length that it does not know yet."""
T = TypeVar("T")


def make_tts(config: VoiceConfig) -> TextToSpeech:
    """Return the voice that the configuration names, for one person.

    Raises:
        EnvironmentFault: the voice's file cannot be read.
    """
    speaking = config.speaking
    if speaking.engine == PIPER:
        return Piper(speaking.program, speaking.model, timeout_s=speaking.timeout_s)
    return Espeak(speaking.program, speaking.voice, timeout_s=speaking.timeout_s)


class Espeak:
    """espeak-ng: one run for each sentence, which takes a few milliseconds."""

    def __init__(self, program: str = "espeak-ng", voice: str = "en-us", *, timeout_s: float = 15.0) -> None:
        """Start nothing yet.

        Args:
            program: name or path.
            voice: one of `espeak-ng --voices`.
            timeout_s: from words to their sound.
        """
        self._argv = (program, "-v", voice, "-b", "1", "--stdin", "--stdout")
        self._timeout_s = timeout_s

    @property
    def rate(self) -> int:
        """Samples a second."""
        return ESPEAK_RATE

    async def prepare(self) -> None:
        """Do nothing: it starts at once."""

    async def speak(self, sentences: AsyncIterator[str]) -> AsyncIterator[bytes]:
        """Yield the sound of one answer, sentence by sentence."""
        async for sentence in sentences:
            program = await SpeechProgram.start(self._argv, INSTALL_ESPEAK)
            try:
                await self._within(program.write(sentence))
                await self._within(program.finish())
                await self._within(program.read_exactly(_WAV_HEADER))
                while sound := await self._within(program.read()):
                    yield sound
            finally:
                await program.end()

    async def close(self) -> None:
        """Do nothing: each run has ended with its sentence."""

    async def _within(self, work: Awaitable[T]) -> T:
        return await _within(work, self._timeout_s, self._argv[0])


class Piper:
    """Piper: one run for each answer. It takes a second to load its voice, so `prepare` starts the next one ahead."""

    def __init__(self, program: str, model: Path, *, timeout_s: float = 15.0) -> None:
        """Start nothing yet.

        Args:
            program: name or path.
            model: the voice's file.
            timeout_s: from words to their sound.

        Raises:
            EnvironmentFault: the voice's description, FILE.json, cannot be read.
        """
        # Absolute: a name that begins with a minus would be an option.
        self._argv = (program, "--model", str(model.absolute()), "--output-raw")
        self._timeout_s = timeout_s
        self._rate = _rate_of(model)
        self._next: SpeechProgram | None = None
        self._starting = asyncio.Lock()

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    async def prepare(self) -> None:
        """Start the run for the next answer, unless one waits already."""
        async with self._starting:
            if self._next is not None and self._next.has_ended:
                await self.close()
            if self._next is None:
                self._next = await SpeechProgram.start(self._argv, INSTALL)

    async def speak(self, sentences: AsyncIterator[str]) -> AsyncIterator[bytes]:
        """Yield the sound of one answer; it is spoken while its later sentences are still to come."""
        await self.prepare()
        program, self._next = self._next, None
        assert program is not None
        writing = asyncio.create_task(_write_all(program, sentences))
        try:
            while sound := await self._sound(program, writing):
                yield sound
            await writing
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await program.end()

    async def close(self) -> None:
        """End the run that waits."""
        program, self._next = self._next, None
        if program is not None:
            await program.end()

    async def _sound(self, program: SpeechProgram, writing: "asyncio.Task[None]") -> bytes:
        """Return the next bytes; as long as words come, nobody knows how long that takes, and there is no limit."""
        reading = asyncio.ensure_future(program.read())
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            return await _within(reading, self._timeout_s, self._argv[0])
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _write_all(program: SpeechProgram, sentences: AsyncIterator[str]) -> None:
    try:
        async for sentence in sentences:
            await program.write(sentence)
    finally:
        await program.finish()


async def _within(work: Awaitable[T], limit_s: float, program: str) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        raise EnvironmentFault(f"{program} did not speak in {limit_s:g} s") from None


def _rate_of(model: Path) -> int:
    description = model.with_name(f"{model.name}.json")
    try:
        rate = json.loads(description.read_text(encoding="utf-8"))["audio"]["sample_rate"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFault(f"{description} does not describe a voice of Piper: {error}", hint=INSTALL) from error
    if not isinstance(rate, int) or not 8000 <= rate <= 48_000:
        raise EnvironmentFault(f"{description}: expected a sample_rate from 8000 to 48000, got {rate!r}")
    return rate
