"""What is followed has a problem of its own, which ends when Consul gives it again."""

import asyncio
from collections.abc import Awaitable, Callable

from evolve.cluster.faults import NoLeader
from pipecatapp.gateway.following import Following


def step_of(*results: str) -> tuple[Callable[[], Awaitable[None]], asyncio.Event]:
    """A step that fails where its result has a text, and what it sets when the results are used up."""
    left, is_done = list(results), asyncio.Event()

    async def step() -> None:
        if not left:
            is_done.set()
            await asyncio.Event().wait()
        if text := left.pop(0):
            raise NoLeader(text, call="GET /")

    return step, is_done


def problem_after(*things: tuple[str, ...]) -> str:
    async def scenario() -> str:
        following = Following()
        for number, results in enumerate(things):
            step, is_done = step_of(*results)
            following.start(str(number), step)
            await is_done.wait()
        found = following.problem
        await following.stop()
        return found

    return asyncio.run(scenario())


def test_a_problem_ends_when_the_thing_is_given_again():
    assert problem_after(("no leader",)) == "no leader"
    assert problem_after(("no leader", "")) == ""


def test_one_thing_that_is_given_does_not_hide_that_another_is_not():
    assert problem_after(("denied",), ("", "", "")) == "denied"


def test_the_problem_of_what_is_no_longer_followed_is_gone():
    async def scenario() -> None:
        following = Following()
        step, is_done = step_of("denied")
        following.start("a", step)
        await is_done.wait()
        following.end("a")
        assert (following.problem, following.names()) == ("", frozenset())

    asyncio.run(scenario())
