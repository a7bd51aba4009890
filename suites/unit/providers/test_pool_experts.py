"""The experts of a pool: who joins during the first look, who comes back, and how long a busy one is left alone."""

import asyncio
from collections.abc import Callable

import pytest

from evolve.providers import pool_experts
from evolve.providers.pool_experts import Expert, Experts
from evolve.providers.pool_models import Served, ServedModel
from evolve.system.retry import Transient

MAIN, LATE = "http://main/v1", "http://late/v1"


def serving(name: str) -> Served:
    return (ServedModel(name, frozenset({name}), ()),)


class _Cluster:
    """Members that change when a test says so, and what each of them serves."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.models: dict[str, Served] = {}
        self.probed: list[str] = []
        self.is_open = asyncio.Event()
        """Probes of the main expert wait for it."""
        self.is_open.set()
        self.followers = 0
        self._on: Callable[[tuple[str, ...]], None] | None = None

    async def follow(self, on: Callable[[tuple[str, ...]], None]) -> None:
        self._on = on
        self.followers += 1
        try:
            if self.urls:
                on(self.urls)
            await asyncio.Event().wait()
        finally:
            self.followers -= 1

    def change(self, *urls: str) -> None:
        assert self._on is not None
        self._on(urls)

    async def probe(self, url: str, _: float) -> Served:
        self.probed.append(url)
        if url == MAIN:
            await self.is_open.wait()
        return self.models.get(url, serving("qwen"))

    def experts(self) -> Experts:
        return Experts(self, self.probe, wanted="", slots=1)


def names(experts: Experts) -> list[str]:
    return [one.url for one in experts.present]


def expert_of(experts: Experts, url: str) -> Expert:
    return experts._by_url[url]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_experts, "_PROBE_EVERY_S", 0.01)


def test_an_expert_that_joins_during_the_first_look_gets_requests() -> None:
    async def joined() -> None:
        cluster = _Cluster(MAIN)
        cluster.is_open.clear()
        experts = cluster.experts()
        opening = asyncio.ensure_future(experts.open())
        await until(lambda: MAIN in cluster.probed)
        cluster.change(MAIN, LATE)
        cluster.is_open.set()
        await opening
        await until(lambda: names(experts) == [MAIN, LATE])
        await experts.close()

    asyncio.run(joined())


def test_an_instance_that_is_listed_again_is_asked_for_its_model_first() -> None:
    async def returned() -> None:
        cluster = _Cluster(MAIN, LATE)
        experts = cluster.experts()
        await experts.open()
        cluster.change(MAIN)
        cluster.models[LATE] = serving("other")
        cluster.change(MAIN, LATE)
        assert names(experts) == [MAIN]
        await until(lambda: "it serves other" in expert_of(experts, LATE).away)
        cluster.models[LATE] = serving("qwen")
        await until(lambda: names(experts) == [MAIN, LATE])
        await experts.close()

    asyncio.run(returned())


def test_an_expert_that_asks_to_wait_is_left_alone_for_that_long() -> None:
    async def rested() -> None:
        cluster = _Cluster(MAIN)
        experts = cluster.experts()
        await experts.open()
        cluster.probed.clear()
        with pytest.raises(Transient), experts.borrowed("a"):
            raise Transient("too many requests", status=429, retry_after_s=3600.0)
        assert expert_of(experts, MAIN).rest_s > 3000
        assert not names(experts)
        await experts.close()

    asyncio.run(rested())


def test_an_opening_that_is_given_up_leaves_no_query_behind() -> None:
    async def given_up() -> None:
        cluster = _Cluster()
        experts = cluster.experts()
        opening = asyncio.ensure_future(experts.open())
        await until(lambda: cluster.followers == 1)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await experts.close()
        assert not cluster.followers

    asyncio.run(given_up())
