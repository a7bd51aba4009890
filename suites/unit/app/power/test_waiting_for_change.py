import asyncio

import pytest

from pipecatapp.power.waiting import wait_for_change


@pytest.mark.parametrize("steps", range(6))
def test_who_is_cancelled_when_the_change_comes_is_cancelled(steps):
    """The activator's tasks are loops around this: one that forgot it would keep the agent from its end."""

    async def run():
        changed = asyncio.Event()

        async def follow():
            while True:
                await wait_for_change(changed, 60.0)
                changed.clear()

        task = asyncio.create_task(follow())
        await asyncio.sleep(0)
        changed.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)
        assert task.cancelled()

    asyncio.run(run())


def test_it_returns_without_a_change_too():
    asyncio.run(wait_for_change(asyncio.Event(), 0.01))
