"""Our own engine on the benchmark's cases: `python -m evolve` in a folder of its own, its model behind the meter."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from evolve_baselines import Found
from evolve_bench import RENDER, Bench
from evolve_splits import Case

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.store.agents import load_agent, load_bank

_MODEL = "openai:chat:embedded"
"""The same model as all others', at the meter's address."""
_SCHEMA = "diagnostics.schema.json"
_PROMOTABLE = ("proven", "provisional")
_CONCURRENCY = 2
"""What the engine itself takes for an embedded model."""


def anneal(bench: Bench) -> Found:
    """What our search and gate, which share the budget, would promote: the winner, or else the ancestor."""
    reported = _evolved(bench)
    winner = Path(str(reported["winner_file"])) if reported["outcome"] in _PROMOTABLE else bench.agent_file
    agent = load_agent(winner)
    bank = load_bank(agent, winner, RENDER)
    demos = (winner.parent / agent.demos.bank).read_text(encoding="utf-8") if agent.demos else "[]"
    _check_demos(bench, demos)

    def answer(case: Case) -> str | None:
        prompt = render_agent(agent, case.vars, bank, RENDER)
        return bench.read(bench.held_out, [dict(message) for message in prompt.messages], prompt.config)

    return Found(answer, f"{winner.read_text(encoding='utf-8')}\n{demos}", _story(reported))


def _evolved(bench: Bench) -> Mapping[str, JsonValue]:
    """What our engine says of its run."""
    reported, log = bench.folder / "anneal.json", bench.folder / "anneal.log"
    options = {
        "suite": bench.suite,
        "agent": _scratch_agent(bench),
        "budget": bench.search.limit,
        "seed": bench.seed,
        "concurrency": _CONCURRENCY,
        "output-dir": bench.folder / "evolved",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "evolve", *words, "--json"]
    with reported.open("w") as output, log.open("w") as errors:
        done = subprocess.run(
            command, cwd=bench.folder, env=_environment(bench), stdout=output, stderr=errors, check=False
        )
    if done.returncode:
        end = log.read_text(encoding="utf-8")[-2_000:]
        raise EnvironmentFault(f"our engine ended with exit code {done.returncode}:\n{end}")
    said: Mapping[str, JsonValue] = json.loads(reported.read_text(encoding="utf-8"))
    return said


def _scratch_agent(bench: Bench) -> Path:
    """A copy of the ancestor that asks the meter; next to it the engine keeps a gate log of its own."""
    text = re.sub(r"^model: .*$", f"model: {_MODEL}", bench.agent_file.read_text(encoding="utf-8"), count=1, flags=re.M)
    copy = bench.folder / bench.agent_file.name
    copy.write_text(text, encoding="utf-8")
    shutil.copy(bench.agent_file.with_name(_SCHEMA), bench.folder)
    return copy


def _environment(bench: Bench) -> Mapping[str, str]:
    """This process's environment, without what other runs have bought, and with patience for one slow model."""
    ours = {
        "EVOLVE_BASE_URL": bench.meter.url(bench.search),
        "EVOLVE_PROVIDER": _MODEL,
        "EVOLVE_REFLECTOR": "",
        "EVOLVE_CACHE_DIR": str(bench.folder / "cache"),
        "EVOLVE_ATTEMPT_S": "600",
        "EVOLVE_DEADLINE_S": "1800",
    }
    return {**os.environ, **ours}


def _check_demos(bench: Bench, demos: str) -> None:
    """Raises when the winner can show a held-out family: then it would be measured on what it has seen."""
    entries = parse_yaml(demos, "the winner's demos")
    assert isinstance(entries, list)
    families = {str(entry.get("family")) for entry in entries if isinstance(entry, dict)}
    reported = families & {case.family for case in bench.splits.held_out}
    if reported:
        raise ValueError(f"the winner's demos hold families that were to judge it: {', '.join(sorted(reported))}")


def _story(reported: Mapping[str, JsonValue]) -> str:
    account, gate = reported["account"], reported["gate"]
    assert isinstance(account, dict)
    decided = f"; gate {gate['incumbent']:.2f} to {gate['candidate']:.2f}" if isinstance(gate, dict) else ""
    spent = f"search {account['search']}, gate {account['gate']}, free {account['free']}"
    return f"{reported['outcome']}: {reported['reason']}{decided}; answers by its own account: {spent}"
