"""One person's voice: websocket -> speech to text -> twin -> text to speech -> websocket, on pipecat.

    Microphone -> Listener -> Transcriber -> Asker -> Speaker -> Loudspeaker

The only file that imports pipecat: its transports, its processors that an interruption cancels, Silero's detection of
voices and smart-turn's of the end of what somebody says. Each connection has a pipeline of its own, so that nobody's
sound can reach another.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from loguru import logger

# Its log has frames with what people say; of that, ours gets the place of errors alone.
logger.remove()

from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState  # noqa: E402
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams  # noqa: E402
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3  # noqa: E402
from pipecat.audio.vad.silero import SileroVADAnalyzer  # noqa: E402
from pipecat.audio.vad.vad_analyzer import VADParams, VADState  # noqa: E402
from pipecat.frames.frames import (  # noqa: E402
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # noqa: E402
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy  # noqa: E402
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor  # noqa: E402
from pipecat.transports.base_input import BaseInputTransport  # noqa: E402
from pipecat.transports.base_output import BaseOutputTransport  # noqa: E402
from pipecat.transports.base_transport import TransportParams  # noqa: E402
from pipecat.workers.runner import WorkerRunner  # noqa: E402

from evolve.core.model.errors import EnvironmentFault  # noqa: E402
from pipecatapp.core.ports import SpeechToText, TextToSpeech  # noqa: E402
from pipecatapp.core.speech import Sentences  # noqa: E402
from pipecatapp.serving.logs import place_of  # noqa: E402
from pipecatapp.voice.ports import VoicePage, VoiceRoom  # noqa: E402
from pipecatapp.wire.voice_events import IN_RATE, Heard, SpeechDropped, VoiceProblem, VoiceReady  # noqa: E402

LOG: Final = logging.getLogger("pipecatapp")
logger.add(lambda line: LOG.warning("pipecat: %s", line.rstrip()), level="WARNING", format="{level} at {name}:{line}")

_WINDOW: Final = 1024
"""Bytes of a window of Silero's model: 32 ms."""
_AHEAD: Final = 160
"""Windows that may wait to be heard, 5 s; then the page waits."""
_BEFORE_BYTES: Final = IN_RATE  # half a second
"""Sound before somebody was found to speak: the detection takes 0.2 s, and soft beginnings are missed."""
_VOICE: Final = VADParams(confidence=0.6, start_secs=0.2, stop_secs=0.3, min_volume=0.3)
_SILENCE_S: Final = 2.0
"""After which what was said is complete, even if it does not sound so."""
_WRITE_S: Final = 10.0
"""That a page may take to accept 40 ms of sound; then it has gone."""
_BUG: Final = "a bug of the agent; its log has the details"


class _Release(InputAudioRawFrame):
    """The end of what is said with the button held, in its place between the sounds."""


class _Push(InputAudioRawFrame):
    """The button is held from here on."""


@dataclass
class UtteranceFrame(DataFrame):
    """What somebody said at once."""

    sound: bytes = b""
    ended_at: float = 0.0
    taken: Callable[[], None] = lambda: None
    """Is called when a turn has its words, or it has none; until then it belongs to what the person says next."""


@dataclass
class WordsFrame(DataFrame):
    """What was understood."""

    words: str = ""
    ended_at: float = 0.0
    taken: Callable[[], None] = lambda: None
    """That of the utterance."""


@dataclass
class AnswerFrame(DataFrame):
    """The parts of an answer, as they come."""

    parts: AsyncIterator[str] | None = field(default=None, repr=False)
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Detectors:
    """The models of one microphone: whether somebody speaks, and whether that was the end."""

    voices: SileroVADAnalyzer
    turns: LocalSmartTurnAnalyzerV3

    @classmethod
    def load(cls) -> "Detectors":
        """Read both; it takes a tenth of a second, so not in the loop that serves."""
        # With it smart-turn would write what people say into files.
        os.environ.pop("PIPECAT_SMART_TURN_LOG_DATA", None)
        voices = SileroVADAnalyzer(sample_rate=IN_RATE, params=_VOICE)
        voices.set_sample_rate(IN_RATE)
        turns = LocalSmartTurnAnalyzerV3(sample_rate=IN_RATE, params=SmartTurnParams(stop_secs=_SILENCE_S))
        turns.set_sample_rate(IN_RATE)
        return cls(voices, turns)


class Microphone(BaseInputTransport):
    """Where the page's sound comes in, in windows of the detection."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.ready = asyncio.Event()
        self._room = asyncio.Semaphore(_AHEAD)
        self._rest = b""

    async def start(self, frame: StartFrame) -> None:
        """Take sound from now on."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def feed(self, sound: bytes) -> None:
        """Take sound; waits while too much of it has not been heard."""
        data = self._rest + sound
        whole = len(data) - len(data) % _WINDOW
        self._rest = data[whole:]
        for at in range(0, whole, _WINDOW):
            await self._put(InputAudioRawFrame(data[at : at + _WINDOW], IN_RATE, 1))

    async def mark(self, kind: type[InputAudioRawFrame]) -> None:
        """Put a mark between the sounds."""
        self._rest = b""
        await self._put(kind(bytes(_WINDOW), IN_RATE, 1))

    def heard_one(self) -> None:
        """Note that one more window was heard."""
        self._room.release()

    async def _put(self, frame: InputAudioRawFrame) -> None:
        await self._room.acquire()
        await self.push_audio_frame(frame)


class Listener(FrameProcessor):
    """Finds when somebody speaks and when that is complete; a person who begins to speak interrupts the agent."""

    def __init__(
        self, room: VoiceRoom, page: VoicePage, microphone: Microphone, ears: Detectors, longest_s: float
    ) -> None:
        """Make one that has heard nothing.

        Args:
            room: learns who speaks.
            page: learns what was no words.
            microphone: learns how far it was heard.
            ears: of this microphone alone.
            longest_s: of what is said at once.
        """
        super().__init__()
        self._room, self._page, self._heard_one = room, page, microphone.heard_one
        self._longest = int(longest_s * IN_RATE) * 2
        self._voices, self._turns = ears.voices, ears.turns
        self._sound = bytearray()
        self._unanswered = b""
        """What was said before and is no turn yet: who goes on speaking has not ended."""
        self._is_held = self._speaks = self._is_voice = self._had_voice = False
        self._is_full = False
        """The longest was said: what follows without a pause, or with the button still held, is not heard."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hear sound; let everything else pass."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            if isinstance(frame, InterruptionFrame):
                self._hush()
            await self.push_frame(frame, direction)
            return
        try:
            await self._hear(frame)
        finally:
            self._heard_one()

    async def cleanup(self) -> None:
        """End the threads of the models."""
        await super().cleanup()
        await self._voices.cleanup()
        await self._turns.cleanup()

    async def _hear(self, frame: InputAudioRawFrame) -> None:
        if isinstance(frame, _Push):
            self._is_full = False
            self._reset()
            self._is_held = True
            await self._begin()
        elif isinstance(frame, _Release):
            await self._release()
        else:
            await self._hear_window(frame.audio)

    async def _hear_window(self, window: bytes) -> None:
        was_voice = self._is_voice
        self._is_voice = await self._voices.analyze_audio(window) in (VADState.SPEAKING, VADState.STOPPING)
        if self._is_full:
            self._is_full = self._is_held or self._is_voice
            return
        self._sound += window
        if not self._speaks:
            del self._sound[:-_BEFORE_BYTES]
        self._had_voice = self._had_voice or self._is_voice
        is_complete = self._turns.append_audio(window, self._is_voice) is EndOfTurnState.COMPLETE
        if self._is_voice and not self._speaks:
            await self._begin()
        elif was_voice and not self._is_voice and not self._is_held:
            verdict, _ = await self._turns.analyze_end_of_turn()
            is_complete = is_complete or verdict is EndOfTurnState.COMPLETE
        self._is_full = self._speaks and len(self._sound) >= self._longest
        if self._is_full or (self._speaks and is_complete and not self._is_held):
            await self._end()

    async def _begin(self) -> None:
        self._speaks = True
        self._room.person_speaks()
        await self.broadcast_interruption()

    async def _release(self) -> None:
        if self._is_full:
            self._is_full = False
            self._reset()
        elif self._is_held:
            await self._end()

    async def _end(self) -> None:
        sound, had_voice = self._unanswered + bytes(self._sound), self._had_voice
        self._reset()
        if not (had_voice or self._unanswered):
            self._room.nothing_said()
            await self._page.send(Heard(""))
            return
        self._unanswered = sound[-self._longest :]
        await self.push_frame(UtteranceFrame(self._unanswered, time.monotonic(), self._forget))

    def _hush(self) -> None:
        """Forget what would become an answer; unless the person speaks, nothing is to be shown any more."""
        self._forget()
        if not self._speaks:
            self._room.nothing_said()

    def _forget(self) -> None:
        self._unanswered = b""

    def _reset(self) -> None:
        self._sound.clear()
        self._speaks = self._had_voice = False
        self._turns.clear()
        if not self._is_full:
            self._is_held = self._is_voice = False
            self._voices.set_params(_VOICE)


class _Stage(FrameProcessor):
    """A processor that takes one type of frame; its faults are shown to the person."""

    takes: type[Frame]
    code: str

    def __init__(self, room: VoiceRoom, page: VoicePage) -> None:
        super().__init__()
        self._room, self._page = room, page

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Work on the frames that it takes; let everything else pass."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, self.takes):
            await self.push_frame(frame, direction)
            return
        try:
            await self.work(frame)
        except EnvironmentFault as fault:
            self._room.report(logging.WARNING, str(fault))
            await self._fail(str(fault))
        except Exception as error:
            self._room.report(logging.ERROR, place_of(error))
            await self._fail(_BUG)

    async def work(self, frame: Any) -> None:
        """Do the stage's part."""
        raise NotImplementedError

    async def _fail(self, text: str) -> None:
        self._room.nothing_said()
        await self._page.send(VoiceProblem(self.code, text))


class Transcriber(_Stage):
    """Makes words of what somebody said."""

    takes = UtteranceFrame
    code = "not_heard"

    def __init__(self, room: VoiceRoom, page: VoicePage, stt: SpeechToText) -> None:
        super().__init__(room, page)
        self._stt = stt

    async def work(self, frame: UtteranceFrame) -> None:
        """Pass the words on; where there are none, it was a noise."""
        began = time.monotonic()
        try:
            words = await self._stt.transcribe(frame.sound)
        except Exception:
            frame.taken()
            raise
        self._room.observe("stt", time.monotonic() - began)
        await self._page.send(Heard(words))
        if words:
            await self.push_frame(WordsFrame(words, frame.ended_at, frame.taken))
        else:
            frame.taken()
            self._room.nothing_said()


class Asker(_Stage):
    """Asks the twin."""

    takes = WordsFrame
    code = "busy"

    async def work(self, frame: WordsFrame) -> None:
        """Start a turn, and pass its answer on."""
        try:
            parts = await self._room.ask(frame.words)
        except Exception:
            frame.taken()
            raise
        frame.taken()
        await self.push_frame(AnswerFrame(parts, frame.ended_at))


class Speaker(_Stage):
    """Speaks an answer from its first sentence on."""

    takes = AnswerFrame
    code = "not_said"

    def __init__(self, room: VoiceRoom, page: VoicePage, tts: TextToSpeech) -> None:
        super().__init__(room, page)
        self._tts = tts
        self._first_sentence = 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note when the agent's voice begins and ends, as the loudspeaker says; get ready when a person begins."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            # What cannot start says so when it has something to say.
            with suppress(EnvironmentFault):
                await self._tts.prepare()
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self._room.agent_speaks(is_speaking=isinstance(frame, BotStartedSpeakingFrame))

    async def work(self, frame: AnswerFrame) -> None:
        """Pass the sound of an answer on."""
        assert frame.parts is not None
        has_begun = False
        async for sound in self._tts.speak(self._sentences(frame.parts)):
            if not has_begun:
                has_begun = True
                self._observe(frame.ended_at)
                await self.push_frame(TTSStartedFrame())
            await self.push_frame(TTSAudioRawFrame(sound, self._tts.rate, 1))
        if has_begun:
            await self.push_frame(TTSStoppedFrame())
        else:
            self._room.agent_speaks(is_speaking=False)

    async def _sentences(self, parts: AsyncIterator[str]) -> AsyncIterator[str]:
        sentences = Sentences()
        self._first_sentence = 0.0
        async for part in parts:
            for sentence in sentences.add(part):
                yield self._noted(sentence)
        for sentence in sentences.rest():
            yield self._noted(sentence)

    def _noted(self, sentence: str) -> str:
        self._first_sentence = self._first_sentence or time.monotonic()
        return sentence

    def _observe(self, ended_at: float) -> None:
        now = time.monotonic()
        self._room.observe("tts", now - self._first_sentence)
        self._room.observe("answer", now - ended_at)


class Loudspeaker(BaseOutputTransport):
    """Where sound goes out, as fast as it is played; what was interrupted is dropped here and on the page."""

    def __init__(self, page: VoicePage, params: TransportParams) -> None:
        super().__init__(params)
        self._page = page
        self._is_open = False
        self._next_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Take sound from now on."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Stop at an interruption."""
        if isinstance(frame, InterruptionFrame):
            # First of all: a sound that is on its way out of the queue must not follow the message.
            self._is_open = False
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            await self._page.send(SpeechDropped())

    async def write_transport_frame(self, frame: Frame) -> None:
        """Let the next answer's sound out: its beginning has come through the queue."""
        if isinstance(frame, TTSStartedFrame):
            self._is_open = True

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Send sound, and wait as long as it takes to be played."""
        if not self._is_open:
            return False
        await self._page.send_sound(frame.audio)
        length_s = len(frame.audio) / 2 / self.sample_rate
        now = time.monotonic()
        self._next_at = max(self._next_at, now) + length_s
        await asyncio.sleep(self._next_at - now - length_s)
        return True


class VoicePipeline:
    """The pipeline of one connection."""

    def __init__(
        self,
        room: VoiceRoom,
        page: VoicePage,
        stt: SpeechToText,
        tts: TextToSpeech,
        ears: Detectors,
        *,
        longest_s: float = 30.0,
    ) -> None:
        """Make one that does not run yet.

        Args:
            room: the session.
            page: that has the microphone.
            stt: may be shared by many.
            tts: of this person alone.
            ears: of this microphone alone.
            longest_s: of what is said at once; then it counts as complete.
        """
        self._page, self._tts = page, tts
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=0,
            audio_out_write_timeout_secs=_WRITE_S,
        )
        self._microphone = Microphone(params)
        stages = [
            self._microphone,
            Listener(room, page, self._microphone, ears, longest_s),
            Transcriber(room, page, stt),
            Asker(room, page),
            Speaker(room, page, tts),
            Loudspeaker(page, params),
        ]
        self._worker = PipelineWorker(
            Pipeline(stages),
            params=PipelineParams(audio_in_sample_rate=IN_RATE, audio_out_sample_rate=tts.rate),
            # The connection's end is the pipeline's, however long nobody says a word.
            idle_timeout_secs=None,
            enable_rtvi=False,
            enable_turn_tracking=False,
            processor_unusable_policy=ProcessorUnusablePolicy.CANCEL,
        )

    async def run(self) -> None:
        """Run until it is cancelled, or the page takes no more sound."""
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await runner.add_workers(self._worker)
        try:
            await runner.run()
        finally:
            await self._tts.close()

    async def wait_ready(self) -> None:
        """Return when it hears, and the page knows it."""
        await self._microphone.ready.wait()
        await self._page.send(VoiceReady(IN_RATE, self._tts.rate))

    async def feed(self, sound: bytes) -> None:
        """Take sound; waits while too much of it has not been heard."""
        await self._microphone.feed(sound)

    async def push(self) -> None:
        """Take what follows as said to the agent, until `release`."""
        await self._microphone.mark(_Push)

    async def release(self) -> None:
        """Take what was said as complete."""
        await self._microphone.mark(_Release)

    async def hush(self) -> None:
        """Stop to speak."""
        await self._worker.queue_frame(InterruptionFrame())
