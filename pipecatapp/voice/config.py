"""Settings of the voice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FASTER_WHISPER: Final = "faster_whisper"
WHISPER_CPP: Final = "whisper_cpp"
ESPEAK: Final = "espeak_ng"
PIPER: Final = "piper"


@dataclass(frozen=True, slots=True)
class HearingConfig:
    """What writes down words."""

    engine: str = FASTER_WHISPER
    model: Path = Path()
    """Folder of a model of faster-whisper."""
    threads: int = 2
    url: str = ""
    """Of a server of whisper.cpp."""
    timeout_s: float = 30.0
    """For one utterance."""


@dataclass(frozen=True, slots=True)
class SpeakingConfig:
    """What speaks."""

    engine: str = ESPEAK
    program: str = ""
    """Name or path."""
    voice: str = "en-us"
    """Of espeak-ng."""
    model: Path = Path()
    """File of a voice of Piper; FILE.json is next to it."""
    timeout_s: float = 15.0
    """From words to their sound."""


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """Settings of the part `voice`."""

    language: str = "en"
    hearing: HearingConfig = HearingConfig()
    speaking: SpeakingConfig = SpeakingConfig()
    most_listeners: int = 4
    """Microphones that are open at one time."""
    most_per_session: int = 2
    """Of them in one session: a page that is loaded again opens its own before the old one is seen to be gone."""
    longest_s: float = 30.0
    """Of what a person says at once; Whisper hears 30 s."""
