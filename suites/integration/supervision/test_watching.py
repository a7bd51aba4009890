"""Which jobs the lists mark: those that have something failed now, not those that had."""

from typing import Any

from fixtures.supervised_cluster import Supervised, VirtualCluster, mock_job

NO_ANSWER = {"action": "escalate", "reason": "a test"}


def test_lists_mark_what_fails_now_and_not_what_was_replaced(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("fails", run_for=1, exit_code=1))
    cluster.register(mock_job("failed-once", fails_allocations=1))
    cluster.register(mock_job("well"))
    for _ in range(5):
        cluster.second()
    cluster.register(mock_job("failed-once", meta={"by": "a person"}, fails_allocations=1))
    for _ in range(5):
        cluster.second()

    async def go(one: Supervised) -> None:
        await one.watch.read_lists()
        assert one.watch.take() == [("default", "fails")]

    play(go, NO_ANSWER)
