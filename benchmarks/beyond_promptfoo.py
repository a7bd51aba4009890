"""promptfoo's `optimize` as an arm of `evolve_beyond.py`: at its defaults, because it takes no budget.

It optimizes a text with a placeholder, so the case is in the same message as the instructions. The target writes its
candidates, too. When no candidate can be read, it ends with an error, and the plain prompt counts: the note says so.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beyond_places import Place, UnitFound
from beyond_tasks import RENDER

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.search.tasks import Task

VERSION = "0.123.1"
_PLACE = "{{ case_text }}"
_FOUND = re.compile(r"^Best prompt\s*$\n(.*?)\n[─=\-]{10,}", re.M | re.S)
"""The last lines of its output: the prompt, between two borders."""
_QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "NO_COLOR": "1",
    "FORCE_COLOR": "0",
}


def optimized(place: Place, node: Path, program: Path) -> UnitFound:
    """Return what promptfoo's optimizer found, with no limit of tokens: what it used is in the table.

    Args:
        place: the arm's place.
        node: a Node.js that is new enough for it.
        program: its entry point.
    """
    place.search.token_limit = None
    agent = place.task.agent
    prompt = render_agent(agent, place.task.train[0].vars, None, RENDER)
    first = f"{prompt.messages[0]['content']}\n\n{_PLACE}"
    config = place.work / "promptfooconfig.yaml"
    config.write_text(dump_yaml(_config(place, first, prompt.config)), encoding="utf-8")
    log = place.work / "promptfoo.log"
    done = _run(place, [str(node), str(program), "optimize", "-c", str(config)], log)
    output = log.read_text(encoding="utf-8", errors="replace")
    found = _FOUND.search(output)
    if done and "could not" not in output and "Failed to" not in output and "no usable" not in output:
        raise EnvironmentFault(f"promptfoo ended with exit code {done}; the end of {log}:\n{output[-2_000:]}")
    best = found[1].strip() if found else first
    note = "its own best prompt" if found and best != first.strip() else "no candidate was better, or none was readable"
    outputs = {case.id: _answer(place, best, prompt.config, case) for case in place.held_out}
    return UnitFound(note, {"promptfoo": outputs})


def _config(place: Place, prompt: str, call: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    tests: list[JsonValue] = [
        {"vars": {"case_text": place.task.shown(case), "case_id": case.id}} for case in place.task.train
    ]
    provider: dict[str, JsonValue] = {"apiBaseUrl": place.meter.url(place.search), "apiKey": "none", **call}
    return {
        "prompts": [prompt],
        "providers": [{"id": "openai:chat:target", "config": provider}],
        "defaultTest": {"assert": [{"type": "webhook", "value": place.meter.judge_url}]},
        "tests": tests,
        # One slot answers; more at once would only wait.
        "evaluateOptions": {"maxConcurrency": 1},
    }


def _run(place: Place, command: list[str], log: Path) -> int:
    env = {
        **os.environ,
        **_QUIET,
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": place.meter.url(place.search),
        "PROMPTFOO_CONFIG_DIR": str(place.work / "promptfoo"),
    }
    with log.open("w", encoding="utf-8") as output:
        return subprocess.run(
            command, cwd=place.work, env=env, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode


def _answer(place: Place, prompt: str, call: Mapping[str, JsonValue], case: Task) -> str | None:
    text = re.sub(r"\{\{\s*case_text\s*\}\}", lambda _: place.task.shown(case), prompt)
    messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
    try:
        return place.meter.ask(place.judging, messages, call)
    except CannotEvaluate:
        return None


def read_package(folder: Path) -> Path:
    """Return promptfoo's entry point below a folder of npm's."""
    package = folder / "node_modules/promptfoo"
    data = json.loads((package / "package.json").read_text(encoding="utf-8"))
    return package / str(data["bin"]["promptfoo"])
