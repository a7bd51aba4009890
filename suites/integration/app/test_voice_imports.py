"""What is loaded: nothing of the voice for people who type, and nothing under the GPL for anybody."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.core.model.json_value import JsonValue

ROOT = Path(__file__).parents[3]
HEAVY = ("pipecat", "faster_whisper", "ctranslate2", "onnxruntime", "numpy", "PIL", "soxr", "loguru", "huggingface_hub")

SERVES = """
import asyncio, json, sys, time
from pipecatapp.agent.config import AgentConfig, ModelConfig
from pipecatapp.agent.server import make_agent, web_app
from aiohttp import web

async def serve():
    runner = web.AppRunner(web_app(make_agent(AgentConfig(ModelConfig("http://127.0.0.1:1")))))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cost = time.process_time()
    await runner.cleanup()
    return cost

print(json.dumps({"cpu_s": asyncio.run(serve()), "modules": sorted({one.partition(".")[0] for one in sys.modules})}))
"""

SPEAKS = """
import asyncio, importlib.metadata as md, json, sys
from fixtures.voices import VOICE, spoken
from pipecatapp.voice.stt import make_stt
from pipecatapp.voice.tts import make_tts
import pipecatapp.voice.pipeline

async def talk():
    stt, tts = make_stt(VOICE), make_tts(VOICE)
    words = await stt.transcribe(spoken("Good morning."))
    async def one():
        yield words
    sound = b"".join([part async for part in tts.speak(one())])
    await stt.close()
    return words, len(sound)

words, size = asyncio.run(talk())
tops = {one.partition(".")[0] for one in sys.modules} - {"fixtures", "pytest", "_pytest"}
shipped_by = md.packages_distributions()
names = sorted({name for top in tops for name in shipped_by.get(top, ())})
def licence(name):
    data = md.metadata(name)
    return " ".join([data.get("License-Expression") or data.get("License") or "", *data.get_all("Classifier", [])])
print(json.dumps({
    "words": words, "size": size, "licences": {name: licence(name) for name in names},
    "files": sorted({line.split()[-1] for line in open("/proc/self/maps") if "/" in line}),
}))
"""


def result_of(script: str) -> dict[str, JsonValue]:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_who_types_loads_nothing_of_the_voice():
    found = result_of(SERVES)
    assert set(HEAVY) & set(found["modules"]) == set()
    assert found["cpu_s"] < 1.5


def test_only_one_file_imports_pipecat():
    files = [path for path in (ROOT / "pipecatapp").rglob("*.py") if "import pipecat\n" in path.read_text() + "\n"]
    files += [path for path in (ROOT / "pipecatapp").rglob("*.py") if "from pipecat." in path.read_text()]
    assert {path.name for path in files} == {"pipeline.py"}


def test_who_speaks_loads_nothing_under_the_gpl():
    pytest.importorskip("soxr", reason="voice: ./bootstrap.sh voice")
    from fixtures.voices import need_voice

    need_voice()
    found = result_of(SPEAKS)
    assert found["size"] > 10_000
    assert {"pipecat-ai", "faster-whisper", "ctranslate2"} <= found["licences"].keys()
    gpl = [name for name, text in found["licences"].items() if "GPL" in text.replace("LGPL", "")]
    # This distribution's own licence names the GPL for the files that import Ansible, which the app never does.
    assert [name for name in gpl if name != "anneal-harness"] == []
    loaded = [Path(one).name for one in found["files"]]
    assert [
        name for name in loaded if name.startswith(("libx264", "libx265", "libavcodec", "libespeak", "espeakbridge"))
    ] == []
