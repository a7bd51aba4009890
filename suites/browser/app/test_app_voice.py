"""The page's microphone in a real Chromium, whose microphone plays a recording: spoken words, a tool, a spoken answer.

The model is scripted; what listens and speaks is real.
"""

import base64
import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.app_pages import AppPage
from fixtures.page_server import HELLO, PageServer
from fixtures.running_agents import RunningAgent, WordTools, running_agent
from fixtures.scripted_twin import ScriptedTwin, scripted_twin
from fixtures.voices import VOICE, need_voice, silence, spoken, understood
from pipecatapp.agent.config import AgentConfig, ModelConfig
from pipecatapp.voice.tts import ESPEAK_RATE
from pipecatapp.wire.voice_events import IN_RATE, VOICE_SERVER_TYPES
from suites.browser.conftest import NAMES

LIGHT = "Turn on the kitchen light."
ANSWER = "I have turned on the light in the kitchen."
WEATHER = "What is the weather like today?"
STORY = "The kitchen door is open. " * 20
# What the page plays, and how much it sends.
EAR = """
window.played = [];
window.sent = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...at) {
  if (this.buffer) window.played.push(...this.buffer.getChannelData(0));
  return start.apply(this, at);
};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof ArrayBuffer) window.sent += data.byteLength;
  return send.call(this, data);
};
"""
READY = '{"v": 1, "type": "ready", "in_rate": 16000, "out_rate": 22050}'
# A microphone of silence, and whether it was given back.
TRACKS = """
window.tracks = [];
navigator.mediaDevices.getUserMedia = async () => {
  const { stream } = new AudioContext().createMediaStreamDestination();
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""
PLAYED = """() => {
  const samples = Int16Array.from(window.played, one => one * 32767);
  let text = "";
  for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}"""


@pytest.fixture
def model() -> Iterator[ScriptedTwin]:
    with scripted_twin() as found:
        found.spoken["kitchen light"] = f'[use look] [with {{"word": "kitchen"}}] [say {ANSWER}]'
        found.spoken["the weather"] = f"[say {STORY}]"
        yield found


@pytest.fixture
def agent(model: ScriptedTwin) -> Iterator[RunningAgent]:
    need_voice()
    with running_agent(AgentConfig(ModelConfig(model.url, name="scripted"), voice=VOICE), WordTools()) as found:
        yield found


Speaking = Callable[..., AppPage]


@pytest.fixture
def speaking(agent: RunningAgent, tmp_path: Path, browser: Any) -> Iterator[Speaking]:
    """Opens the page in a Chromium whose microphone hears a recording, from the moment that it is opened."""
    opened: list[Any] = []

    def open_page(sound: bytes) -> AppPage:
        file = tmp_path / "said.wav"
        with wave.open(str(file), "wb") as writer:
            writer.setparams((1, 2, IN_RATE, 0, "NONE", ""))
            writer.writeframes(sound)
        executable = next(path for name in NAMES if (path := shutil.which(name)))
        own = browser.browser_type.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={file}%noloop",
            ],
        )
        opened.append(own)
        found = AppPage(own, agent, is_ready=False)
        found.page.add_init_script(EAR)
        found.page.reload()
        found.wait_until_online()
        return found

    yield open_page
    for one in opened:
        one.close()


def _words_played(opened: AppPage) -> str:
    return understood(base64.b64decode(opened.page.evaluate(PLAYED)), ESPEAK_RATE)


def _wait_until_sent(opened: AppPage, seconds: float) -> None:
    opened.page.wait_for_function("size => window.sent >= size", arg=int(seconds * IN_RATE) * 2)


def test_who_speaks_is_heard_and_hears_the_answer(speaking: Speaking) -> None:
    opened = speaking(spoken(LIGHT) + silence(2))
    opened.page.get_by_role("button", name="Keep listening").click()
    opened.wait_for_state("listening")
    opened.page.locator(".tool summary", has_text="look").wait_for()
    opened.page.locator(".reply", has_text=ANSWER).wait_for()
    assert "spoken" in opened.page.locator(".said time").inner_text()
    opened.page.locator("#hush:visible").wait_for()
    opened.page.locator("#hush").wait_for(state="hidden")
    opened.wait_for_state("idle")
    assert "turned on the light in the kitchen" in _words_played(opened)
    assert "kitchen light" in opened.page.locator("#voice-note").inner_text().lower()
    opened.page.get_by_role("button", name="Keep listening").click()
    assert opened.page.locator("#listen").get_attribute("aria-pressed") == "false"
    assert opened.complaints == []


def test_the_button_is_held_by_keyboard_and_the_answer_is_stopped(speaking: Speaking) -> None:
    opened = speaking(spoken(WEATHER) + silence(20))
    opened.page.locator("#talk").focus()
    opened.page.keyboard.down(" ")
    opened.wait_for_state("listening")
    assert opened.page.locator("#talk").get_attribute("aria-pressed") == "true"
    _wait_until_sent(opened, len(spoken(WEATHER)) / 2 / IN_RATE + 0.3)
    opened.page.keyboard.up(" ")
    opened.page.locator("#hush:visible").wait_for()
    sent = opened.page.evaluate("window.sent")
    opened.page.get_by_role("button", name="Stop speaking").press("Enter")
    opened.page.locator("#hush").wait_for(state="hidden")
    opened.wait_for_focus("words")
    opened.wait_for_state("idle")
    # The whole answer takes half a minute.
    assert 0 < opened.page.evaluate("window.played.length") < 10 * ESPEAK_RATE
    assert opened.page.evaluate("window.sent") == sent, "a microphone whose button nobody holds sends nothing"
    assert STORY.strip() in opened.page.locator(".reply .text").inner_text()
    assert opened.complaints == []


@pytest.mark.nightly  # half a minute; suites/integration/app/test_voice.py does it without a browser
def test_who_speaks_into_an_answer_ends_its_sound(speaking: Speaking) -> None:
    opened = speaking(spoken(WEATHER) + silence(5) + spoken(LIGHT) + silence(2))
    opened.page.get_by_role("button", name="Keep listening").click()
    opened.page.locator("#hush:visible").wait_for()
    opened.wait_for_state("listening")
    opened.page.locator("#hush").wait_for(state="hidden")
    opened.page.locator(".reply", has_text=ANSWER).wait_for()
    assert opened.complaints == []


def test_a_page_without_voice_says_why_and_has_no_button(opened: AppPage, server: PageServer) -> None:
    assert not opened.page.get_by_role("button", name="Hold to talk").is_visible()
    assert opened.page.locator("#no-voice").inner_text() == f"No microphone: {HELLO.voice_problem}"


def test_a_refused_microphone_is_explained(browser: Any) -> None:
    with PageServer(replace(HELLO, has_voice=True, voice_problem="")) as server:
        found = AppPage(browser, server)
        # This server has no route for the microphone.
        found.page.get_by_role("button", name="Keep listening").click()
        found.page.locator("#voice-problem", has_text="does not take the microphone").wait_for()
        assert found.page.locator("#listen").get_attribute("aria-pressed") == "false"
        found.close()


def test_a_microphone_that_opens_when_nobody_wants_it_any_more_is_closed(browser: Any) -> None:
    with PageServer(replace(HELLO, has_voice=True, voice_problem="")) as server:
        found = AppPage(browser, server, is_ready=False)
        sockets: list[Any] = []

        def note_socket(socket: Any) -> None:
            sockets.append(socket)

        found.page.route_web_socket("**/voice", note_socket)
        found.page.add_init_script(TRACKS)
        found.page.reload()
        found.wait_until_online()
        listen = found.page.get_by_role("button", name="Keep listening")

        def open_microphone() -> Any:
            count = len(sockets)
            listen.click()
            while len(sockets) == count:
                found.page.wait_for_timeout(20)
            return sockets[-1]

        late = open_microphone()
        listen.click()
        late.send(READY)
        found.page.wait_for_function("() => window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
        open_microphone().send(READY)
        found.page.locator("#voice-note", has_text="Speak when you like.").wait_for()
        assert found.page.evaluate("window.tracks.map(one => one.readyState)") == ["ended", "live"]
        listen.click()
        found.page.wait_for_function("() => window.tracks[1].readyState === 'ended'")
        found.close()


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_the_buttons_are_accessible(browser: Any, serious_faults: Any, width: int, scheme: str) -> None:
    with PageServer(replace(HELLO, has_voice=True, voice_problem="")) as server:
        size = {"width": width, "height": 800}
        found = AppPage(browser, server, viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
        found.page.evaluate(
            """() => {
              for (const id of ["talk", "listen"]) document.getElementById(id).setAttribute("aria-pressed", "true");
              document.getElementById("hush").hidden = false;
              document.getElementById("voice-note").textContent = "I heard: turn on the light in the kitchen, please";
              document.getElementById("voice-problem").textContent = "The browser did not allow the microphone.";
            }"""
        )
        assert serious_faults(found.page) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        found.close()


def test_the_page_knows_the_messages_of_the_voice(opened: AppPage) -> None:
    found = opened.page.evaluate("import('/protocol.js').then(all => all.VOICE_FIELDS)")
    assert found == {name: [field.name for field in fields(kind)] for name, kind in VOICE_SERVER_TYPES.items()}
