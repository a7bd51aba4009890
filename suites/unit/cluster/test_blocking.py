"""A watch follows the server's index, starts again when it goes backwards, and asks no oftener than it may."""

import asyncio

import pytest

from evolve.cluster.blocking import LONGEST_WAIT_S, Rate, Seen, Watch
from evolve.cluster.faults import ClusterFault, NoAnswer, NotFound


class Server:
    """Gives the planned answers, and notes what it was asked."""

    def __init__(self, *answers: Seen[str] | ClusterFault) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []
        self.waits: list[float] = []

    async def read(self, index: int, wait_s: float) -> Seen[str]:
        self.asked.append(index)
        self.waits.append(wait_s)
        answer = self.answers.pop(0)
        if isinstance(answer, ClusterFault):
            raise answer
        return answer


def followed(server: Server, count: int, **more) -> list[str | None]:
    async def all_of_them() -> list[str | None]:
        watch = Watch(server.read, **more)
        return [await watch.next() for _ in range(count)]

    return asyncio.run(all_of_them())


def test_the_first_question_has_no_index_and_the_next_ones_the_server_s():
    server = Server(Seen("a", 5), Seen("b", 9), Seen("c", 12))
    assert followed(server, 3) == ["a", "b", "c"]
    assert server.asked == [0, 5, 9]


def test_the_same_content_wakes_nobody():
    server = Server(Seen("a", 5), Seen("a", 5), Seen("a", 8), Seen("b", 9))
    assert followed(server, 2) == ["a", "b"]
    assert server.asked == [0, 5, 5, 8]


def test_an_index_that_goes_backwards_starts_again_from_zero():
    server = Server(Seen("a", 500), Seen("a", 3), Seen("b", 4))
    assert followed(server, 2) == ["a", "b"]
    assert server.asked == [0, 500, 0]


def test_what_changed_while_the_index_went_backwards_is_seen():
    server = Server(Seen("a", 500), Seen("b", 3), Seen("b", 3), Seen("c", 7))
    assert followed(server, 3) == ["a", "b", "c"]


def test_a_missing_thing_is_none_and_is_waited_for_at_its_index():
    missing = NotFound("job not found", call="GET /v1/job/web")
    missing.index = 41
    server = Server(missing, Seen("a", 42))
    assert followed(server, 2) == [None, "a"]
    assert server.asked == [0, 41]


def test_a_fault_loses_nothing():
    server = Server(Seen("a", 5), NoAnswer("late", call="GET /"), Seen("b", 6))

    async def scenario():
        watch = Watch(server.read)
        first = await watch.next()
        with pytest.raises(NoAnswer):
            await watch.next()
        return first, await watch.next()

    assert asyncio.run(scenario()) == ("a", "b")
    assert server.asked == [0, 5, 0]


def test_after_a_fault_the_same_content_says_that_the_server_answers_again():
    server = Server(Seen("a", 5), NoAnswer("late", call="GET /"), Seen("a", 5), Seen("b", 6))

    async def scenario():
        watch = Watch(server.read)
        found = [await watch.next()]
        with pytest.raises(NoAnswer):
            await watch.next()
        return [*found, await watch.next(), await watch.next()]

    assert asyncio.run(scenario()) == ["a", "a", "b"]
    assert server.asked == [0, 5, 0, 5]


def test_a_server_that_wakes_us_at_will_is_asked_no_oftener_than_the_rate():
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    server = Server(*(Seen("a", n) for n in range(1, 25)), Seen("b", 30))
    rate = Rate(every_s=2.0, burst=5, clock=lambda: now, sleep=sleep)
    assert followed(server, 2, rate=rate) == ["a", "b"]
    # 25 questions: five at once, and one in two seconds from then on.
    assert now == pytest.approx(40.0)


def test_a_wait_is_never_longer_than_the_servers_allow():
    server = Server(Seen("a", 1))
    followed(server, 1, wait_s=9999)
    assert server.waits == [LONGEST_WAIT_S]
