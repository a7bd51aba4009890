"""What the pipeline needs of the agent, and of the page that has the microphone."""

from collections.abc import AsyncIterator
from typing import Protocol

from pipecatapp.wire.voice_events import VoiceServerMessage


class VoicePage(Protocol):
    """The page that a person speaks to. Both wait while it is slow."""

    async def send(self, message: VoiceServerMessage) -> None:
        """Send a message."""
        ...

    async def send_sound(self, sound: bytes) -> None:
        """Send samples that are played at once, behind those before."""
        ...


class VoiceRoom(Protocol):
    """The session that a person speaks in: takes words, and shows who speaks."""

    def person_speaks(self) -> None:
        """Note that a person has begun; nothing more is spoken of the last answer."""
        ...

    def nothing_said(self) -> None:
        """Note that it was no words; what ran before goes on."""
        ...

    async def ask(self, words: str) -> AsyncIterator[str]:
        """Start a turn with a person's words, and return the parts of what is spoken.

        Raises:
            EnvironmentFault: no turn can start; the text says why.
        """
        ...

    def agent_speaks(self, *, is_speaking: bool) -> None:
        """Note that the agent's voice is heard, or has ended."""
        ...

    def report(self, level: int, problem: str) -> None:
        """Write a problem into the log, for the pages of this session alone.

        Args:
            level: of the module `logging`.
            problem: in a sentence.
        """
        ...

    def observe(self, what: str, seconds: float) -> None:
        """Measure a part.

        Args:
            what: `stt` (an utterance), `tts` (from an answer's first sentence to its first sound) or `answer` (from the
                end of what a person says to the first sound).
            seconds: it took.
        """
        ...


class PersonsVoice(Protocol):
    """What a microphone speaks to."""

    async def run(self) -> None:
        """Run until it is cancelled, or the page takes no more sound."""
        ...

    async def wait_ready(self) -> None:
        """Return when it hears, and the page knows it."""
        ...

    async def feed(self, sound: bytes) -> None:
        """Take samples; waits while too many have not been heard."""
        ...

    async def push(self) -> None:
        """Take what follows as said to the agent, until `release`."""
        ...

    async def release(self) -> None:
        """Take what was said as complete."""
        ...

    async def hush(self) -> None:
        """Stop to speak."""
        ...
