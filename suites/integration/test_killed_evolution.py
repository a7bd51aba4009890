"""`kill -9` at any moment costs nothing but the calls in flight: the same command goes on to the same end."""

import json
import random
import signal
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from evolve.core.model.evolution_events import (
    Account,
    CandidateProposed,
    Estimate,
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    RolloutScored,
)
from evolve.store.archive import Archive
from fixtures.small_evolution import SmallEvolution, bought_twice, finished, small_evolution

KILLS = 50
BUDGET = 120
LAST_KILL = 112
DEADLINE_S = 60.0
LONGEST_PAUSE_S = 0.02


def kill_when_bought(work: SmallEvolution, process: "subprocess.Popen[str]", count: int, pause_s: float) -> bool:
    """Kills the process soon after the model was asked for the count-th time; False when it had ended before."""
    until = time.monotonic() + DEADLINE_S
    while len(work.bought) < count and process.poll() is None:
        assert time.monotonic() < until, f"only {len(work.bought)} answers after {DEADLINE_S} s"
        time.sleep(0.001)
    time.sleep(pause_s)  # the moment is random on purpose
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def timeless(event: EvolutionEvent) -> EvolutionEvent:
    """The event without what another attempt may measure differently."""
    if isinstance(event, EvolutionStarted):
        return replace(event, started_s=0, estimate=Estimate(0, 0, 0, 0), resumed=False, command="")
    if isinstance(event, EstimateRevised):
        return replace(event, rest=Estimate(event.rest.answers, 0, 0, event.rest.tokens))
    if isinstance(event, RolloutScored):
        return replace(event, seconds=0)
    if isinstance(event, EvolutionFinished):
        account = event.account
        return replace(event, account=Account(account.search, account.gate, account.free, tokens=account.tokens))
    return event


def is_whole(work: SmallEvolution) -> None:
    """Every file is sound, every event can be read, and every candidate has its genome."""
    for name in ("answers", "ledger", "archive"):
        with closing(connect(work.cache / f"{name}.sqlite")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Archive(work.cache)) as archive:
        run = archive.find(None).run
        proposed = [e.candidate.id for e in archive.events(run) if isinstance(e, CandidateProposed)]
        assert [archive.genome(run, i).id for i in proposed if i != "vote"] == [i for i in proposed if i != "vote"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[EvolutionEvent], dict[str, Any], int]:
    """The events, the result and the number of answers of a run that nobody kills."""
    work = small_evolution(tmp_path_factory.mktemp("undisturbed"))
    ended = work.run("--json", budget=BUDGET)
    assert ended.returncode == 0, ended.stderr
    return work.events(), json.loads(ended.stdout), len(work.bought)


def test_fifty_kills_lose_nothing_and_change_nothing(tmp_path: Path, undisturbed: Any) -> None:
    chance = random.Random(4)
    work = small_evolution(tmp_path / "killed")
    work.env["LATENCY"] = "0.002"
    killed = 0
    for count in sorted(chance.choices(range(1, LAST_KILL), k=KILLS)):
        asked = len(work.bought)
        stored = work.stored if asked else set()
        killed += kill_when_bought(work, work.start("--json", budget=BUDGET), count, chance.random() * LONGEST_PAUSE_S)
        assert not stored.intersection(work.bought[asked:]), "a stored answer was bought again"
    asked, stored = len(work.bought), work.stored
    ended = finished(work.start("--json", budget=BUDGET))
    assert ended.returncode == 0, ended.stderr
    assert not stored.intersection(work.bought[asked:]), "a stored answer was bought again"
    assert killed >= KILLS - 5

    events, reported, answers = undisturbed
    result = json.loads(ended.stdout)
    assert [timeless(event) for event in work.events()] == [timeless(event) for event in events]
    assert {name: result[name] for name in ("run", "winner", "outcome", "reason", "gate")} == {
        name: reported[name] for name in ("run", "winner", "outcome", "reason", "gate")
    }
    assert len(set(work.bought)) == answers == reported["account"]["search"] + reported["account"]["gate"]
    assert len(bought_twice(work.bought)) <= result["account"]["repeated"], "calls made again are in the account"
    is_whole(work)
    gates = [json.loads(line) for line in (work.folder / "gate_log.jsonl").read_text().splitlines()]
    assert len(gates) == 2, "one gate: opened once, decided once"
