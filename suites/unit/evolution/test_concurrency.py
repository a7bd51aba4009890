"""How much sooner an evolution is over with several answers in flight, on a clock that jumps ahead of each wait."""

import asyncio
import selectors
from collections.abc import Sequence

import pytest

from evolve.core.model.answers import Answer, Request
from evolve.core.model.evolution_events import (
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    GateStarted,
)
from fixtures.engine_runs import EngineRun, timeless
from fixtures.simulated import SimulatedProvider, Simulation, World

SECONDS = 3.0
SIMULATION = Simulation(World(seed=3, gain=0.3))


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Waits for nothing: what it would have waited is added to the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Sequence[tuple[selectors.SelectorKey, int]]:  # type: ignore[override]
        """Return what is ready."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


class Slow(SimulatedProvider):
    """The simulated model; each answer takes three seconds."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        await asyncio.sleep(SECONDS)
        return await super().answer(request)


def timed(run: EngineRun) -> tuple[list[EvolutionEvent], float, float]:
    """The events of a run, and the seconds until the gate and until the end."""
    events: list[EvolutionEvent] = []
    at_gate = 0.0

    async def follow() -> float:
        nonlocal at_gate
        async for event in run.evolution.events():
            events.append(event)
            if isinstance(event, GateStarted):
                at_gate = asyncio.get_running_loop().time()
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        end = runner.run(follow())
    return events, at_gate, end


@pytest.mark.parametrize("budget", [200, 300])
@pytest.mark.parametrize("seed", [1, 2])
def test_with_eight_answers_in_flight_the_same_run_is_over_six_times_sooner(budget, seed):
    one, search_s, whole_s = timed(EngineRun(SIMULATION, budget=budget, seed=seed, provider=Slow(SIMULATION)))
    many, quick_search_s, quick_s = timed(
        EngineRun(SIMULATION, budget=budget, seed=seed, provider=Slow(SIMULATION), concurrency=8)
    )
    assert timeless(one) == timeless(many)
    last = many[-1]
    assert isinstance(last, EvolutionFinished)
    assert search_s / quick_search_s >= 6
    assert whole_s / quick_s >= 6.5


def loop_time() -> float:
    """The running loop's seconds; 0 where none runs."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_rest_is_estimated_again_by_what_answers_take_at_this_concurrency(concurrency):
    """The estimate before the run knows nothing: 0 seconds for an answer."""
    provider = Slow(SIMULATION)
    run = EngineRun(SIMULATION, budget=200, provider=provider, concurrency=concurrency, clock=loop_time)
    events, at_gate, end = timed(run)
    first, second = (event for event in events if isinstance(event, EstimateRevised))
    assert first.rest.answers == 200 - first.spent
    for revised in (first, second):
        assert revised.rest.seconds_per_answer == pytest.approx(SECONDS / concurrency, rel=0.4)
    assert end - at_gate <= second.rest.seconds <= 2 * end
