"""The websocket `/voice` between the agent and the page that has the microphone.

Binary frames are sound: 16-bit samples of one channel, the low byte first, up at `IN_RATE`, down at the rate that
`ready` names. Text frames are the messages below, in the form of those of `/ws`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from pipecatapp.wire.typed_messages import BadMessage, read_typed, write_typed

VERSION: Final = 1
PATH: Final = "/voice"
IN_RATE: Final = 16_000
"""Samples a second of what a person says."""
LONGEST_FRAME: Final = 32 * 1024
"""Bytes of one frame from a page: a second of sound, and far more than any message."""


# --- from the agent


@dataclass(frozen=True, slots=True)
class VoiceReady:
    """The first message: the agent listens."""

    in_rate: int
    out_rate: int
    """Samples a second of what the agent says."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood; empty where nobody said a word. Words start a turn, whose messages come on `/ws`."""

    text: str


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """Sound that was sent and has not been played is void: the person speaks, or has asked for silence."""


@dataclass(frozen=True, slots=True)
class VoiceProblem:
    """Something was not heard, not taken or not said."""

    code: str
    """A word for programs: `bad_message`, `busy`, `not_heard`, `not_said`."""
    text: str


# --- from a page


@dataclass(frozen=True, slots=True)
class Push:
    """The person holds the button to talk: what follows is said to the agent, pauses are no end."""


@dataclass(frozen=True, slots=True)
class Release:
    """The person has let go of the button: what was said is complete."""


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop to speak; the turn goes on as text."""


VoiceServerMessage: TypeAlias = VoiceReady | Heard | SpeechDropped | VoiceProblem
VoiceClientMessage: TypeAlias = Push | Release | Hush

VOICE_SERVER_TYPES: Final[Mapping[str, type[VoiceServerMessage]]] = {
    "ready": VoiceReady,
    "heard": Heard,
    "dropped": SpeechDropped,
    "problem": VoiceProblem,
}
VOICE_CLIENT_TYPES: Final[Mapping[str, type[VoiceClientMessage]]] = {"push": Push, "release": Release, "hush": Hush}
_NAMES: Final = {kind: name for name, kind in (*VOICE_SERVER_TYPES.items(), *VOICE_CLIENT_TYPES.items())}


def write_voice_message(message: VoiceServerMessage | VoiceClientMessage) -> str:
    """Return a message as JSON."""
    return write_typed(message, _NAMES[type(message)], VERSION)


def read_voice_client_message(data: str) -> VoiceClientMessage:
    """Return the message that a page sent.

    Raises:
        BadMessage: it is none.
    """
    return cast("VoiceClientMessage", read_typed(data, VOICE_CLIENT_TYPES, VERSION))


def read_voice_server_message(data: str) -> VoiceServerMessage:
    """Return the message that the agent sent, for clients in Python.

    Raises:
        BadMessage: it is none.
    """
    return cast("VoiceServerMessage", read_typed(data, VOICE_SERVER_TYPES, VERSION))


def checked_sound(data: bytes) -> bytes:
    """Return the samples of a binary frame.

    Raises:
        BadMessage: it is too long, or ends in the middle of a sample.
    """
    if len(data) > LONGEST_FRAME:
        raise BadMessage(f"the frame is longer than {LONGEST_FRAME} bytes")
    if len(data) % 2:
        raise BadMessage("the frame ends in the middle of a sample")
    return data
