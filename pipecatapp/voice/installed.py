"""Where `./bootstrap.sh voice` puts things, and what of the voice is missing on this machine."""

import importlib.util
import shutil
from pathlib import Path
from typing import Final

from pipecatapp.voice.config import ESPEAK, FASTER_WHISPER, PIPER, HearingConfig, SpeakingConfig, VoiceConfig

INSTALL: Final = "type: ./bootstrap.sh voice"
INSTALL_ESPEAK: Final = f"{INSTALL}, or: apt-get install espeak-ng"
STT_MODEL: Final = "whisper-tiny.en"
TTS_MODEL: Final = "en_US-joe-medium.onnx"
_LIBRARIES: Final = ("pipecat", "onnxruntime", "soxr")


def voice_folder(cache: Path) -> Path:
    """Return the folder of models and programs of the voice."""
    return cache / "voice"


def piper_program(cache: Path) -> Path:
    """Return where Piper is; it has an environment of its own, because nothing of it may be imported."""
    return voice_folder(cache) / "piper" / "bin" / "piper"


def installed_voice(cache: Path, engine: str = ESPEAK) -> VoiceConfig:
    """Return the settings for what the command installs, the same as those of a configuration that says no more.

    Args:
        cache: the cache folder.
        engine: that speaks.
    """
    folder = voice_folder(cache)
    program = str(piper_program(cache)) if engine == PIPER else "espeak-ng"
    speaking = SpeakingConfig(engine, program, model=folder / TTS_MODEL)
    return VoiceConfig(hearing=HearingConfig(model=folder / STT_MODEL), speaking=speaking)


def missing(config: VoiceConfig) -> str:
    """Return what the voice lacks on this machine, with the command that installs it; empty for nothing.

    Imports nothing: the text path must not pay for the voice.
    """
    names = [*_LIBRARIES, *(("faster_whisper",) if config.hearing.engine == FASTER_WHISPER else ())]
    libraries = [name for name in names if importlib.util.find_spec(name) is None]
    if libraries:
        return f"voice needs {', '.join(libraries)}; {INSTALL}"
    if config.hearing.engine == FASTER_WHISPER and not (config.hearing.model / "model.bin").is_file():
        return f"there is no model of faster-whisper in {config.hearing.model}; {INSTALL}"
    if shutil.which(config.speaking.program) is None:
        hint = INSTALL if config.speaking.engine == PIPER else INSTALL_ESPEAK
        return f"the program {config.speaking.program} is not installed; {hint}"
    if config.speaking.engine == PIPER and not config.speaking.model.is_file():
        return f"there is no voice of Piper at {config.speaking.model}; {INSTALL}"
    return ""
