"""The agent's voice: what all microphones share, and why there may be none."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.status_rows import row
from pipecatapp.agent.turns import LOG
from pipecatapp.core.ports import SpeechToText
from pipecatapp.serving.logs import place_of
from pipecatapp.voice.config import VoiceConfig
from pipecatapp.voice.installed import INSTALL, missing
from pipecatapp.voice.ports import PersonsVoice, VoicePage, VoiceRoom
from pipecatapp.voice.stt import make_stt
from pipecatapp.voice.tts import make_tts
from pipecatapp.wire.agent_events import RowState, StatusRow

OFF: Final = "Voice is off: the agent's configuration has no part voice."
_BUG: Final = "a bug of the agent; its log has the details"


class TooManyMicrophones(Exception):
    """As many microphones are open as may; the text says whose."""


class VoicePart:
    """The voice of one agent. Nothing of pipecat is imported before `load`."""

    def __init__(self, config: VoiceConfig | None, metrics: AgentMetrics) -> None:
        self._config, self._metrics = config, metrics
        self.problem = OFF if config is None else missing(config)
        """Why there is no voice, in a sentence; empty where there is one."""
        self._stt: SpeechToText | None = None
        self._open: Counter[str] = Counter()
        self._loaded = asyncio.Event()

    @property
    def language(self) -> str:
        """Two letters."""
        return self._config.language if self._config is not None else ""

    def rows(self) -> list[StatusRow]:
        """Return its row of the table of components; none where it is off."""
        if self._config is None:
            return []
        if self.problem:
            return [row("voice", RowState.FAILED, self.problem)]
        state = RowState.OK if self._loaded.is_set() else RowState.STARTING
        hearing, speaking = self._config.hearing.engine, self._config.speaking.engine
        return [row("voice", state, f"{hearing}, {speaking}, {self._open.total()} open microphones")]

    async def load(self) -> None:
        """Import what listens and speaks, and load its models, while the agent serves already."""
        if self._config is None or self.problem:
            return
        self._stt = make_stt(self._config)
        try:
            await asyncio.to_thread(_import_pipeline)
            make_tts(self._config)
            await self._stt.load()
        except EnvironmentFault as fault:
            self._fail(str(fault))
        except ImportError as error:  # pip was interrupted, or another version is here
            self._fail(f"a library of the voice cannot be used: {error}; {INSTALL}")
        except Exception as error:
            LOG.error("voice: %s", place_of(error))
            self._fail(_BUG)
        else:
            self._loaded.set()

    @contextmanager
    def microphone(self, session: str) -> Iterator[None]:
        """Count an open microphone.

        Args:
            session: whose it is.

        Raises:
            TooManyMicrophones: this one would be too many.
        """
        if self._config is None or self._open.total() >= self._config.most_listeners:
            raise TooManyMicrophones("as many microphones are open as may; try again later")
        if self._open[session] >= self._config.most_per_session:
            raise TooManyMicrophones("your other pages have as many open microphones as may; close one of them")
        self._open[session] += 1
        try:
            with self._metrics.microphone():
                yield
        finally:
            self._open -= Counter([session])

    async def pipeline(self, room: VoiceRoom, page: VoicePage) -> PersonsVoice:
        """Return a new pipeline for one microphone, as soon as the models are there.

        Args:
            room: the session's part.
            page: that has the microphone.

        Raises:
            EnvironmentFault: the models could not be loaded.
        """
        await self._loaded.wait()
        if self.problem or self._config is None or self._stt is None:
            raise EnvironmentFault(self.problem)
        from pipecatapp.voice.pipeline import Detectors, VoicePipeline

        tts, ears = make_tts(self._config), await asyncio.to_thread(Detectors.load)
        return VoicePipeline(room, page, self._stt, tts, ears, longest_s=self._config.longest_s)

    async def close(self) -> None:
        """Release the models."""
        if self._stt is not None:
            await self._stt.close()

    def _fail(self, problem: str) -> None:
        LOG.error("voice: %s", problem)
        self.problem = problem
        # Who waits for the models must see it.
        self._loaded.set()


def _import_pipeline() -> None:
    import pipecatapp.voice.pipeline  # noqa: F401
