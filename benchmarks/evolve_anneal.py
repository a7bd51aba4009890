"""Our own engine on the benchmark's cases: `python -m evolve` in a folder of its own, its model behind the meter."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from evolve_baselines import RENDER, Bench, Found
from evolve_splits import Case

from evolve.core.agents import DemoBank, render_agent
from evolve.core.errors import EnvironmentFault
from evolve.store.agents import load_agent, load_bank

_MODEL = "openai:chat:embedded"
"""The same model as all others', at the meter's address."""
_SCHEMA = "diagnostics.schema.json"


def anneal(bench: Bench) -> Found:
    """The winner of our search and gate, which share the budget."""
    winner = _evolved(bench)
    agent = load_agent(winner)
    bank = load_bank(agent, winner, RENDER)
    _check_demos(bench, bank)

    def answer(case: Case) -> str | None:
        prompt = render_agent(agent, case.vars, bank, RENDER)
        return bench.read(bench.held_out, [dict(message) for message in prompt.messages], prompt.config)

    return Found(answer, winner.read_text(encoding="utf-8"), agent.title)


def _evolved(bench: Bench) -> Path:
    """The winner's agent file."""
    agent, output = _scratch_agent(bench), bench.folder / "evolved"
    command = [sys.executable, "-m", "evolve", "--suite", str(bench.suite), "--agent", str(agent)]
    command += ["--budget", str(bench.search.limit), "--seed", str(bench.seed), "--output-dir", str(output), "--json"]
    with (bench.folder / "anneal.json").open("w") as said, (bench.folder / "anneal.log").open("w") as log:
        done = subprocess.run(command, cwd=bench.folder, env=_environment(bench), stdout=said, stderr=log, check=False)
    if done.returncode:
        end = (bench.folder / "anneal.log").read_text(encoding="utf-8")[-2_000:]
        raise EnvironmentFault(f"our engine ended with exit code {done.returncode}:\n{end}")
    found = sorted(output.rglob(f"{bench.agent.name}*.md"))
    if len(found) != 1:
        raise EnvironmentFault(f"one agent file was expected in {output}, there are {len(found)}")
    return found[0]


def _scratch_agent(bench: Bench) -> Path:
    """A copy of the ancestor that asks the meter."""
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
        "EVOLVE_CACHE_DIR": str(bench.folder / "cache"),
        "EVOLVE_ATTEMPT_S": "600",
        "EVOLVE_DEADLINE_S": "1800",
    }
    return {**os.environ, **ours}


def _check_demos(bench: Bench, bank: DemoBank | None) -> None:
    """Raises when the winner can show a held-out case: then it would be measured on what it was told."""
    shown = [case.family for case in bench.splits.held_out if bank and bank.family_of(bench.shown(case))]
    if shown:
        raise ValueError(f"the winner's demos hold families that were to judge it: {', '.join(sorted(set(shown)))}")
