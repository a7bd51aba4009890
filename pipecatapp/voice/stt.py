"""From speech to words: faster-whisper in this process, or a server of whisper.cpp."""

import asyncio
import io
import sys
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.core.ports import SpeechToText
from pipecatapp.core.speech import words_of
from pipecatapp.voice.config import WHISPER_CPP, VoiceConfig
from pipecatapp.voice.installed import INSTALL
from pipecatapp.wire.voice_events import IN_RATE

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_MOST_WAITING: Final = 8
"""Utterances that wait for the one model; more would be answered after their person has gone."""
_LONGEST_REPLY: Final = 64 * 1024
"""Bytes that a server may answer."""


def make_stt(config: VoiceConfig) -> SpeechToText:
    """Return what the configuration names; it has loaded nothing."""
    hearing = config.hearing
    if hearing.engine == WHISPER_CPP:
        return WhisperServer(hearing.url, config.language, timeout_s=hearing.timeout_s)
    return FasterWhisper(hearing.model, config.language, threads=hearing.threads, timeout_s=hearing.timeout_s)


class FasterWhisper:
    """A model of faster-whisper in this process; one utterance at a time."""

    def __init__(self, model: Path, language: str, *, threads: int = 2, timeout_s: float = 30.0) -> None:
        """Load nothing yet.

        Args:
            model: its folder.
            language: two letters.
            threads: of the processor.
            timeout_s: for one utterance, with its wait for the one before.
        """
        self._folder, self._language, self._threads, self._timeout_s = model, language, threads, timeout_s
        self._thread = ThreadPoolExecutor(1, "stt")
        self._model: WhisperModel | None = None
        self._waiting = 0

    async def load(self) -> None:
        """Read the model.

        Raises:
            EnvironmentFault: it or its library is not here.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._loaded)

    async def transcribe(self, sound: bytes) -> str:
        """Return the words of one utterance.

        Raises:
            EnvironmentFault: the model is not here, or takes too long, or too many wait.
        """
        if self._waiting >= _MOST_WAITING:
            raise EnvironmentFault(f"{self._waiting} utterances wait to be understood, as many as may")
        self._waiting += 1
        job = self._thread.submit(self._words, sound)
        work = asyncio.wrap_future(job)
        # What the thread has begun ends with its work, also where nobody waits for it any more.
        work.add_done_callback(self._end_one)
        try:
            async with asyncio.timeout(self._timeout_s):
                return words_of(await asyncio.shield(work))
        except TimeoutError:
            raise EnvironmentFault(f"what was said was not understood in {self._timeout_s:g} s") from None
        finally:
            # What it has not begun is not done: who goes on speaking must not hold up others.
            job.cancel()

    async def close(self) -> None:
        """End the thread when it has done what it does."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _end_one(self, work: "asyncio.Future[str]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # of an utterance that nobody waits for

    def _loaded(self) -> "WhisperModel":
        if self._model is None:
            if not (self._folder / "model.bin").is_file():
                raise EnvironmentFault(f"there is no model of faster-whisper in {self._folder}", hint=INSTALL)
            with _without_decoder():
                try:
                    from faster_whisper import WhisperModel
                except ImportError as error:
                    raise EnvironmentFault(f"faster-whisper is not installed: {error}", hint=INSTALL) from error
            folder, threads = str(self._folder), self._threads
            try:
                self._model = WhisperModel(
                    folder, "cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
                )
            except (RuntimeError, ValueError) as error:
                raise EnvironmentFault(f"the model in {folder} cannot be read: {error}", hint=INSTALL) from error
        return self._model

    def _words(self, sound: bytes) -> str:
        import numpy as np

        samples = np.frombuffer(sound, np.int16).astype(np.float32) / 32768.0
        # Each utterance by itself: with the text of the one before, a model that once repeats itself does so for ever.
        segments, _ = self._loaded().transcribe(
            samples, language=self._language, beam_size=5, without_timestamps=True, condition_on_previous_text=False
        )
        return "".join(one.text for one in segments)


@contextmanager
def _without_decoder() -> Iterator[None]:
    """Let faster-whisper be imported without PyAV, which it needs for files of sound alone, and we have samples.

    PyAV's wheel brings x264 and x265, which are under the GPL: they are neither installed nor loaded.
    """
    if "av" in sys.modules:
        yield
        return
    sys.modules["av"] = ModuleType("av")
    try:
        yield
    finally:
        del sys.modules["av"]


class WhisperServer:
    """The server of whisper.cpp, which the role `whisper_cpp` runs."""

    def __init__(self, url: str, language: str, *, timeout_s: float = 30.0) -> None:
        """Connect to nobody yet.

        Args:
            url: http://HOST:PORT.
            language: two letters.
            timeout_s: for one utterance.
        """
        self._url, self._language = url.rstrip("/"), language
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=5.0)
        self._client: aiohttp.ClientSession | None = None

    async def load(self) -> None:
        """Do nothing: its model is loaded where it runs."""

    async def transcribe(self, sound: bytes) -> str:
        """Return the words of one utterance.

        Raises:
            EnvironmentFault: the server does not answer, or not in its form.
        """
        form = aiohttp.FormData()
        form.add_field("file", wav_of(sound), filename="speech.wav", content_type="audio/wav")
        for name, value in (("response_format", "json"), ("language", self._language), ("temperature", "0.0")):
            form.add_field(name, value)
        try:
            async with self._opened().post(f"{self._url}/inference", data=form) as response:
                body = await response.content.read(_LONGEST_REPLY)
                return self._text(response, body)
        except TimeoutError:  # before OSError, whose kind it is
            limit = self._timeout.total
            raise EnvironmentFault(f"the whisper server {self._url} did not answer in {limit:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EnvironmentFault(f"the whisper server {self._url} does not answer: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=self._timeout)
        return self._client

    def _text(self, response: aiohttp.ClientResponse, body: bytes) -> str:
        import json

        try:
            value: Any = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        text = value.get("text") if isinstance(value, dict) else None
        if response.status != 200 or not isinstance(text, str):
            raise EnvironmentFault(f"the whisper server {self._url} answered {response.status} without a text")
        return words_of(text)


def wav_of(sound: bytes) -> bytes:
    """Return samples as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(IN_RATE)
        writer.writeframes(sound)
    return file.getvalue()
