"""What listens and what speaks: one list of behaviours for each engine.

No server of whisper.cpp runs in CI, which has no model in its format. In its place is a server that speaks the protocol
of its `/inference`, with the model of faster-whisper behind it. `WHISPER_SERVER_URL` names a real one, and then the
same tests ask that, too.
"""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from evolve.core.model.errors import EnvironmentFault
from evolve.system.cache_folder import cache_folder
from fixtures.loopback_server import refusing_url
from fixtures.tool_servers import served_in_thread
from fixtures.voices import VOICE, need_voice, silence, spoken, understood
from pipecatapp.core.ports import SpeechToText, TextToSpeech
from pipecatapp.voice.config import PIPER
from pipecatapp.voice.installed import INSTALL, installed_voice
from pipecatapp.voice.stt import FasterWhisper, WhisperServer
from pipecatapp.voice.tts import Espeak, Piper

CACHE = cache_folder(os.environ)
PIPER_VOICE = installed_voice(CACHE, PIPER).speaking.model
REAL_SERVER = os.environ.get("WHISPER_SERVER_URL", "")


# --- what listens


def inference_server() -> web.Application:
    """The `/inference` of whisper.cpp's server: a form with a WAV file, JSON with a text."""
    model = FasterWhisper(VOICE.hearing.model, "en", timeout_s=120)

    async def infer(request: web.Request) -> web.Response:
        form = {part.name: await part.read() async for part in await request.multipart()}
        data = form.get("file", b"")
        if (data[:4], form.get("response_format"), form.get("language")) != (b"RIFF", b"json", b"en"):
            return web.json_response({"error": "no 'file' field in the request"}, status=400)
        words = await model.transcribe(data[44:])
        return web.json_response({"text": f" {words}\n" if words else " [BLANK_AUDIO]\n"})

    app = web.Application(client_max_size=8 * 1024**2)
    app.router.add_post("/inference", infer)
    return app


@pytest.fixture(scope="module")
def server():
    need_voice()
    with served_in_thread(inference_server()) as url:
        yield url


Listening = Callable[[], SpeechToText]


@pytest.fixture(params=["faster_whisper", "whisper_cpp", *(["real server"] if REAL_SERVER else [])])
def listening(request: Any, server: str) -> Listening:
    if request.param == "faster_whisper":
        return lambda: FasterWhisper(VOICE.hearing.model, "en", timeout_s=120)
    return lambda: WhisperServer(REAL_SERVER if request.param == "real server" else server, "en", timeout_s=120)


def heard(make: Listening, *sounds: bytes) -> list[str]:
    async def work() -> list[str]:
        stt = make()
        try:
            await stt.load()
            return await asyncio.gather(*(stt.transcribe(sound) for sound in sounds))
        finally:
            await stt.close()

    return asyncio.run(work())


def test_words_are_written_down_each_for_its_own_sound(listening: Listening) -> None:
    said = ["What is the weather like today?", "Turn on the kitchen light."]
    first, second = heard(listening, *map(spoken, said))
    assert "weather like today" in first.lower()
    assert "kitchen light" in second.lower()


def test_silence_is_no_words(listening: Listening) -> None:
    assert heard(listening, silence(1.0), b"") == ["", ""]


def faults_of(stt: SpeechToText) -> str:
    with pytest.raises(EnvironmentFault) as found:
        heard(lambda: stt, silence(1.0))
    return str(found.value)


def test_a_missing_or_damaged_model_names_the_command(tmp_path: Path) -> None:
    assert INSTALL in faults_of(FasterWhisper(tmp_path, "en"))
    need_voice()
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).symlink_to(VOICE.hearing.model / name)
    (tmp_path / "model.bin").write_bytes(b"half of a model")
    assert INSTALL in faults_of(FasterWhisper(tmp_path, "en"))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda: web.json_response({"error": "busy"}, status=500), "answered 500 without a text"),
        (lambda: web.Response(text="<html>"), "answered 200 without a text"),
        (lambda: web.json_response({"text": 7}), "answered 200 without a text"),
    ],
)
def test_an_answer_of_the_server_that_is_none_is_a_fault(answer: Callable[[], web.Response], problem: str) -> None:
    async def infer(_request: web.Request) -> web.Response:
        return answer()

    app = web.Application()
    app.router.add_post("/inference", infer)
    with served_in_thread(app) as url:
        assert problem in faults_of(WhisperServer(url, "en"))


def test_a_server_that_is_not_there_is_a_fault() -> None:
    assert "does not answer" in faults_of(WhisperServer(refusing_url(), "en"))


def test_what_takes_too_long_is_a_fault(listening: Listening) -> None:
    stt = listening()
    if isinstance(stt, FasterWhisper):
        stt._timeout_s = 0.001
    else:
        stt = WhisperServer(stt._url, "en", timeout_s=0.001)  # type: ignore[attr-defined]
    with pytest.raises(EnvironmentFault, match=r"in 0\.001 s"):
        heard(lambda: stt, spoken("What is the weather like today?"))


# --- what speaks


@pytest.fixture(params=["espeak_ng", "piper"])
def voice(request: Any) -> Callable[[], TextToSpeech]:
    if request.param == "espeak_ng":
        need_voice()
        return Espeak
    config = installed_voice(CACHE, PIPER)
    need_voice(config)
    return lambda: Piper(config.speaking.program, config.speaking.model, timeout_s=60)


async def _listed(sentences: tuple[str, ...]) -> Any:
    for sentence in sentences:
        yield sentence


def said(tts: TextToSpeech, *sentences: str) -> bytes:
    async def work() -> bytes:
        try:
            return b"".join([part async for part in tts.speak(_listed(sentences))])
        finally:
            await tts.close()

    return asyncio.run(work())


def test_words_are_spoken(voice: Callable[[], TextToSpeech]) -> None:
    tts = voice()
    sound = said(tts, "The temperature in the kitchen is 21 degrees.", "What is the weather like today?")
    assert len(sound) % 2 == 0
    words = understood(sound, tts.rate)
    assert "kitchen" in words
    assert "weather" in words  # Piper speaks with some chance


def test_the_first_sentence_is_heard_while_the_second_is_not_known(voice: Callable[[], TextToSpeech]) -> None:
    async def work() -> bytes:
        tts, known = voice(), asyncio.Event()

        async def sentences() -> Any:
            yield "Good morning."
            await known.wait()
            yield "What is the weather like today?"

        speech = tts.speak(sentences())
        first = await anext(speech)
        known.set()
        rest = b"".join([part async for part in speech])
        await tts.close()
        assert first
        return rest

    assert asyncio.run(work())


HOSTILE = (
    "-w /tmp/owned",
    "--help",
    "-f /etc/passwd",
    "$(touch owned) `touch owned` ; touch owned | touch owned",
    "</speak><audio src='/etc/passwd'/>",
    "\x1b]0;owned\x07 \x00\x01\x03 end",
    "one\ntwo\r\nthree",
    "\ud83d alone",
)


def test_hostile_words_are_words(voice: Callable[[], TextToSpeech], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    tts = voice()
    sound = said(tts, *HOSTILE, *["What is the weather like today?"] * 3)
    # After all of them it still speaks; what it says once after such words is not always understood.
    assert "weather" in understood(sound[-7 * tts.rate * 2 :], tts.rate)
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/owned").exists()


def test_no_words_are_silence(voice: Callable[[], TextToSpeech]) -> None:
    assert said(voice()) == b""


def test_a_missing_program_names_the_command() -> None:
    for tts in (Espeak("no-such-program"), *([Piper("no-such-program", PIPER_VOICE)] if PIPER_VOICE.is_file() else [])):
        with pytest.raises(EnvironmentFault, match=r"no-such-program is not installed[\s\S]*bootstrap.sh voice"):
            said(tts, "Hello.")


def test_a_voice_of_piper_that_is_none_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="does not describe a voice of Piper"):
        Piper("piper", tmp_path / "no.onnx")


def _program(folder: Path, text: str) -> str:
    path = folder / "speaks"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _describe(folder: Path) -> Path:
    (folder / "voice.onnx.json").write_text('{"audio": {"sample_rate": 22050}}')
    return folder / "voice.onnx"


@pytest.mark.parametrize("engine", ["espeak_ng", "piper"])
def test_a_program_that_says_nothing_ends_after_the_limit_with_its_children(tmp_path: Path, engine: str) -> None:
    program = _program(tmp_path, 'echo $$ > "$(dirname "$0")/pid"; sleep 600 & wait')
    made: TextToSpeech = (
        Espeak(program, timeout_s=0.5) if engine == "espeak_ng" else Piper(program, _describe(tmp_path), timeout_s=0.5)
    )
    with pytest.raises(EnvironmentFault, match=r"did not speak in 0\.5 s"):
        said(made, "Hello.")
    group = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while _group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _group_lives(group)


def _group_lives(group: int) -> bool:
    """Whether a process of a group runs; one that has ended and was not collected does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group and words[0] != "Z":
            return True
    return False


@pytest.mark.parametrize("engine", ["espeak_ng", "piper"])
def test_a_program_that_breaks_off_is_a_fault(tmp_path: Path, engine: str) -> None:
    program = _program(tmp_path, "cat > /dev/null; head -c 144 /dev/zero; echo 'no memory' >&2; exit 3")
    made: TextToSpeech = Espeak(program) if engine == "espeak_ng" else Piper(program, _describe(tmp_path))
    with pytest.raises(EnvironmentFault, match="ended with 3: no memory"):
        said(made, "Hello.")


def test_an_answer_that_is_interrupted_ends_its_program(tmp_path: Path) -> None:
    program = _program(tmp_path, 'echo $$ > "$(dirname "$0")/pid"; while :; do head -c 4096 /dev/zero; done')

    async def work() -> None:
        tts = Piper(program, _describe(tmp_path))
        speech = tts.speak(_listed(("Hello.",)))
        assert await anext(speech)
        await speech.aclose()  # type: ignore[attr-defined]
        await tts.close()

    asyncio.run(work())
    assert not _group_lives(int((tmp_path / "pid").read_text()))


def test_piper_starts_ahead_and_at_most_once(tmp_path: Path) -> None:
    program = _program(tmp_path, 'echo $$ >> "$(dirname "$0")/pids"; cat')

    async def work() -> None:
        tts = Piper(program, _describe(tmp_path))
        await asyncio.gather(tts.prepare(), tts.prepare())
        assert b"".join([part async for part in tts.speak(_listed(("ab",)))])
        await tts.prepare()
        await tts.close()

    asyncio.run(work())
    pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
    assert len(pids) <= 2
    assert not any(_group_lives(int(one)) for one in pids)
