"""Reads the part `voice` of a configuration: every problem at once, each with its place."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from evolve.core.formats.schema_check import Check, compile_schema
from evolve.system.cache_folder import cache_folder
from pipecatapp.serving.config_files import ConfigReader
from pipecatapp.voice.config import PIPER, WHISPER_CPP, HearingConfig, SpeakingConfig, VoiceConfig
from pipecatapp.voice.installed import STT_MODEL, TTS_MODEL, piper_program, voice_folder

_SCHEMA: Final = Path(__file__).with_name("config.schema.json")
_KEY: Final = "voice"
_OWN: Final = ("language", "most_listeners", "most_per_session", "longest_s")
_Part = Mapping[str, Any]


@cache
def voice_schema() -> dict[str, Any]:
    """Return the JSON Schema of the part `voice`."""
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def voice_check() -> Check:
    """Return what checks that part."""
    return compile_schema(voice_schema())


def read_voice(whole: ConfigReader, env: Mapping[str, str]) -> VoiceConfig:
    """Return the settings of the voice.

    Args:
        whole: the reader of the configuration, which collects every problem of its part `voice`.
        env: the process's variables, which say where the cache folder is.
    """
    reader = _VoiceReader(whole.document, whole.folder)
    value: Any = reader.value.get(_KEY) or {}
    reader.check(voice_check(), value, _KEY)
    config = VoiceConfig() if reader.problems else reader.config(value, cache_folder(env))
    whole.problems += reader.problems
    return config


class _VoiceReader(ConfigReader):
    def config(self, value: _Part, cache: Path) -> VoiceConfig:
        own = {name: value[name] for name in _OWN if name in value}
        hearing, speaking = value.get("stt", {}), value.get("tts", {})
        return VoiceConfig(hearing=self._hearing(hearing, cache), speaking=self._speaking(speaking, cache), **own)

    def _hearing(self, value: _Part, cache: Path) -> HearingConfig:
        is_server = value.get("engine") == WHISPER_CPP
        if is_server != ("url" in value):
            hint = "set url: http://HOST:PORT" if is_server else f"set engine: {WHISPER_CPP}"
            self.report(f"url is for the engine {WHISPER_CPP}, and it needs one", _KEY, "stt", hint=hint)
        model = voice_folder(cache) / STT_MODEL
        if "model" in value:
            model = self.path(_KEY, "stt", "model", path=value["model"])
        return HearingConfig(**{**value, "model": model})

    def _speaking(self, value: _Part, cache: Path) -> SpeakingConfig:
        is_piper = value.get("engine") == PIPER
        model = voice_folder(cache) / TTS_MODEL
        if "model" in value:
            model = self.path(_KEY, "tts", "model", path=value["model"])
        program = value.get("program") or (str(piper_program(cache)) if is_piper else "espeak-ng")
        return SpeakingConfig(**{**value, "model": model, "program": program})
