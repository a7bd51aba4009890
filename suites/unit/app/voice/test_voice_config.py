import re
from pathlib import Path

import jsonschema
import pytest

from evolve.core.model.errors import InputError
from pipecatapp.agent.config import load_config
from pipecatapp.voice.config import VoiceConfig
from pipecatapp.voice.config_reading import voice_schema
from pipecatapp.voice.installed import INSTALL, missing

ROOT = Path(__file__).parents[4]
MODEL = "model: {url: 'http://127.0.0.1:8080'}\n"


def load(tmp_path, voice):
    path = tmp_path / "agent.yaml"
    path.write_text(f"{MODEL}voice: {voice}\n")
    return load_config(path).voice


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "voice"


def test_without_the_part_there_is_no_voice(tmp_path):
    (tmp_path / "agent.yaml").write_text(MODEL)
    assert load_config(tmp_path / "agent.yaml").voice is None


@pytest.mark.parametrize("text", ["{}", ""])
def test_an_empty_part_uses_what_the_command_installs(tmp_path, cache, text):
    config = load(tmp_path, text)
    assert config.hearing.model == cache / "whisper-tiny.en"
    assert config.speaking.program == "espeak-ng"
    properties = voice_schema()["properties"]
    for name in ("language", "most_listeners", "most_per_session", "longest_s"):
        assert getattr(config, name) == getattr(VoiceConfig(), name) == properties[name]["default"]
    for part, key in ((config.hearing, "stt"), (config.speaking, "tts")):
        for name, one in properties[key]["properties"].items():
            if "default" in one:
                assert getattr(part, name) == one["default"], name


def test_piper_is_the_one_of_the_cache_or_the_one_that_is_named(tmp_path, cache):
    config = load(tmp_path, "{tts: {engine: piper}}")
    assert (config.speaking.program, config.speaking.model) == (
        str(cache / "piper/bin/piper"),
        cache / "en_US-joe-medium.onnx",
    )
    config = load(tmp_path, "{tts: {engine: piper, program: my-piper, model: voices/a.onnx}}")
    assert (config.speaking.program, config.speaking.model) == ("my-piper", tmp_path / "voices/a.onnx")


@pytest.mark.parametrize(
    ("voice", "place", "problem"),
    [
        ("{stt: {engine: whisper_cpp}}", "2:", "url is for the engine whisper_cpp, and it needs one"),
        ("{stt: {url: 'http://h:1'}}", "2:", "url is for the engine whisper_cpp"),
        ("{tts: {voice: '-w/etc/passwd'}}", "2:22", "expected a name of a voice"),
        ("{tts: {voice: ../../x}}", "2:22", "expected a name of a voice"),
        ("{language: english}", "2:19", "expected two letters"),
        ("{tss: {}}", "2:9", "did you mean 'tts'"),
        ("loud", "2:8", "loud"),
    ],
)
def test_what_no_voice_could_use_is_reported_with_its_place(tmp_path, cache, voice, place, problem):
    with pytest.raises(InputError) as error:
        load(tmp_path, voice)
    text = "; ".join(str(one) for one in error.value.problems)
    assert f"agent.yaml:{place}" in text
    assert problem in text


def test_what_is_missing_is_named_with_the_command(tmp_path, cache):
    assert missing(load(tmp_path, "{}")).endswith(INSTALL)
    config = load(tmp_path, "{stt: {engine: whisper_cpp, url: 'http://h:1'}, tts: {program: no-such-program}}")
    assert any(text in missing(config) for text in ("the program no-such-program is not installed", "voice needs "))


def test_the_schema_is_one_and_the_docs_have_every_key():
    jsonschema.Draft202012Validator.check_schema(voice_schema())
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", (ROOT / "docs" / "voice.md").read_text(), re.M))
    for name, one in voice_schema()["properties"].items():
        for key, value in (one.get("properties") or {"": one}).items():
            full = f"{name}.{key}" if key else name
            assert rows.get(full, "").startswith(value["description"]), full
            if "default" in value:
                assert rows[full].endswith(f"Default: `{value['default']}`."), full


def test_unknown_keys_of_all_parts_are_reported_at_once(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(f"{MODEL}listn: 3\nvoice: {{languag: en, tts: {{enigne: piper}}}}\ntools: {{ha: {{foo: 1}}}}\n")
    with pytest.raises(InputError) as caught:
        load_config(path)
    found = " ".join(map(str, caught.value.problems))
    assert all(f"unknown key '{key}'" in found for key in ("listn", "languag", "enigne", "foo")), found
