"""The arms of `evolve_beyond.py` that need no other library: plain, lookup, plain+think, demos, by hand, ours."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from beyond_places import Place, UnitFound
from evolve_meter import REFLECTOR

from evolve.core.evaluation.scratch import can_think
from evolve.core.model.agents import Demo, DemoSettings
from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.search.baselines import Solved, baselines
from evolve.store.agents import find_agent, load_agent, load_demos

_THOUGHT = "why"
_DEMOS = 2
"""Few and near: more make a small model slower and hardly better."""
_MODEL = "openai:chat:target"
_PROPOSALS = 0.3
"""The share of the budget that another model's proposals may take: the engine's own budget does not count them."""
_QUESTION = 2_000
"""Tokens of a question with cases of nine answers, and of its answer."""
_PROMOTABLE = ("proven", "provisional")


def plain(place: Place) -> UnitFound:
    """Return the plain agent as it is."""
    place.keep_agent(replace(place.task.agent, evidence=None))
    return UnitFound()


def think(place: Place) -> UnitFound:
    """Return the plain agent with a short field before its answer: what anybody gets without a search.

    Raises:
        InputError: the agent's answer has no fields before which one can be put.
    """
    if not can_think(place.task.agent.output):
        raise InputError(Problem(f"{place.task.agent.name} cannot have a scratch field: its output is no plain object"))
    place.keep_agent(replace(place.task.agent, evidence=None, scratch=(_THOUGHT,)))
    return UnitFound()


def demos(place: Place) -> UnitFound:
    """Return the plain agent with the nearest train cases as demos."""
    labelled = [Demo(case.vars, case.label, case.family) for case in place.task.train if case.label is not None]
    settings = DemoSettings("demos/found.yaml", "nearest", k=_DEMOS)
    place.keep_agent(replace(place.task.agent, evidence=None, demos=settings), labelled)
    return UnitFound(f"{_DEMOS} nearest of {len(labelled)} train cases")


def by_hand(place: Place) -> UnitFound:
    """Return the agent that a person wrote, who read the cases of train and val: what a prompt can reach at all.

    Raises:
        InputError: nobody wrote one for the task.
    """
    path = _written_file(place)
    place.keep_agent(load_agent(path))
    return UnitFound()


def shipped(place: Place) -> UnitFound:
    """Return the agent that this version of Anneal ships for the task.

    Raises:
        InputError: it ships none.
    """
    file = find_agent(f"{place.task.name.upper()}_AGENT")
    agent = load_agent(file)
    place.keep_agent(replace(agent, evidence=None), load_demos(agent, file))
    return UnitFound(agent.title)


def _written_file(place: Place) -> Path:
    path = Path(__file__).parent / "beyond_agents" / f"{place.task.name.upper()}_BY_HAND.md"
    if not path.exists():
        raise InputError(Problem(f"nobody wrote an agent by hand for {place.task.name}", None, f"write {path}"))
    return path


def lookup(place: Place) -> UnitFound:
    """Return the answers of every baseline without a model; the best on the held-out cases counts, in its favour."""
    task = place.task
    solved = [Solved(task.shown(c), c.label, c.family) for c in task.train if c.label is not None]
    outputs = {one.name: {c.id: one.answer(task.shown(c)) for c in place.held_out} for one in baselines(solved)}
    return UnitFound(f"{len(solved)} train cases", outputs or {"nothing": {}})


def ours(place: Place) -> UnitFound:
    """Return what `evolve` would promote within the budget: the winner, or else the plain agent."""
    return _promotable(place, _evolved(place))


def ours_with_by_hand(place: Place) -> UnitFound:
    """Return the same, where the search has the agent that a person wrote as a candidate.

    Raises:
        InputError: nobody wrote one for the task.
    """
    return _promotable(place, _evolved(place, candidate=_scratch_agent(place, _written_file(place))))


def _promotable(place: Place, reported: Mapping[str, JsonValue]) -> UnitFound:
    winner = Path(str(reported["winner_file"])) if reported["outcome"] in _PROMOTABLE else place.task.agent_file
    agent = load_agent(winner)
    place.keep_agent(replace(agent, evidence=None), load_demos(agent, winner))
    return UnitFound(_story(reported))


def _evolved(place: Place, candidate: Path | None = None) -> Mapping[str, JsonValue]:
    """Return the engine's result; it runs in a folder of its own, its model behind the meter."""
    reported, log = place.work / "result.json", place.work / "evolve.log"
    proposals = round(place.budget * _PROPOSALS) if place.proposer == REFLECTOR else 0
    options: Mapping[str, object] = {
        "suite": place.task.suite,
        "agent": _scratch_agent(place, place.task.agent_file),
        "budget": f"{place.budget - proposals}-tokens",
        "seed": place.seed,
        # One at a time: then the answers come in one order, and a unit that was killed finds all of them again.
        "concurrency": 1,
        "reflector": f"openai:chat:{place.proposer}",
        "output-dir": place.work / "evolved",
        **({"reflector-cap": proposals // _QUESTION} if proposals else {}),
        **({"candidate": candidate} if candidate else {}),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with reported.open("w") as output, log.open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "evolve", *words, "--json"],
            cwd=place.work,
            env=_environment(place),
            stdout=output,
            stderr=errors,
            check=False,
        )
    if done.returncode:
        end = log.read_text(encoding="utf-8")[-2_000:]
        raise EnvironmentFault(f"our engine ended with exit code {done.returncode}:\n{end}")
    found: Mapping[str, JsonValue] = json.loads(reported.read_text(encoding="utf-8"))
    return found


def _scratch_agent(place: Place, source: Path) -> Path:
    """Copy an agent, asking the meter; the engine keeps a gate log of its own next to it."""
    text = re.sub(r"^model: .*$", f"model: {_MODEL}", source.read_text(encoding="utf-8"), count=1, flags=re.M)
    copy = place.work / source.name
    copy.write_text(text, encoding="utf-8")
    for schema in source.parent.glob("*.schema.json"):
        shutil.copy(schema, place.work)
    return copy


def _environment(place: Place) -> Mapping[str, str]:
    """Return this process's environment, without answers of earlier runs, and with patience for one slow model."""
    own = {
        "EVOLVE_BASE_URL": place.meter.url(place.search),
        "EVOLVE_PROVIDER": _MODEL,
        "EVOLVE_CACHE_DIR": str(place.work / "cache"),
        "EVOLVE_ATTEMPT_S": "600",
        "EVOLVE_DEADLINE_S": "1800",
    }
    return {**os.environ, **own}


def _story(reported: Mapping[str, JsonValue]) -> str:
    account, gate = reported["account"], reported["gate"]
    assert isinstance(account, dict)
    decided = f"; gate {gate['incumbent']:.2f} to {gate['candidate']:.2f}" if isinstance(gate, dict) else ""
    return f"{reported['outcome']}: {reported['reason']}{decided}; search {account['search']}, gate {account['gate']}"
