"""Answers bought once are free: in one process, between processes, and after a kill."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import DiskFull, EnvironmentFault, HttpFault
from evolve.store.answers import NoAnswers, SqliteAnswers, from_text, key_of, to_text


class Shop:
    """Sells answers and counts them."""

    def __init__(self) -> None:
        self.sold: list[Any] = []

    def sell(self, output: Any, error: str | None = None) -> Callable[[], Awaitable[Answer]]:
        async def buy() -> Answer:
            self.sold.append(output)
            await asyncio.sleep(0)
            return Answer(output, error=error)

        return buy


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[], Any]:
    return lambda: SqliteAnswers(tmp_path / "a.sqlite")


def use(make_store: Callable[[], Any], go: Callable[[Any], Awaitable[Any]]) -> Any:
    async def visit() -> Any:
        store = make_store()
        try:
            return await go(store)
        finally:
            await store.close()

    return asyncio.run(visit())


def test_a_second_question_is_free_and_marked(make_store: Callable[[], Any]) -> None:
    shop = Shop()

    async def go(store: Any) -> list[Answer]:
        return [await store.once({"q": 1}, shop.sell("a")) for _ in range(2)]

    first, second = use(make_store, go)
    assert (first.cached, second.cached) == (False, True)
    assert (first.output, second.output) == ("a", "a")
    assert shop.sold == ["a"]


def test_many_askers_at_once_buy_once(make_store: Callable[[], Any]) -> None:
    shop = Shop()

    async def go(store: Any) -> list[Answer]:
        return await asyncio.gather(*(store.once({"q": n % 3}, shop.sell(n % 3)) for n in range(30)))

    assert sorted(answer.output for answer in use(make_store, go)) == sorted(n % 3 for n in range(30))
    assert sorted(shop.sold) == [0, 1, 2]


def test_without_identity_every_question_is_bought(make_store: Callable[[], Any]) -> None:
    shop = Shop()

    async def go(store: Any) -> None:
        for _ in range(2):
            await store.once(None, shop.sell("a"))

    use(make_store, go)
    assert len(shop.sold) == 2


def test_an_answer_with_an_error_is_not_kept(make_store: Callable[[], Any]) -> None:
    shop = Shop()

    async def go(store: Any) -> Answer:
        await store.once({"q": 1}, shop.sell(None, error="away"))
        return await store.once({"q": 1}, shop.sell("back"))

    assert use(make_store, go).output == "back"


def test_a_fault_reaches_all_who_wait_and_is_not_kept(make_store: Callable[[], Any]) -> None:
    shop = Shop()
    tries = []

    async def broken() -> Answer:
        tries.append(1)
        await asyncio.sleep(0.01)
        raise HttpFault("no endpoint", call="POST http://h/", status=503, hint="wait")

    async def go(store: Any) -> tuple[list[Any], Answer]:
        results = await asyncio.gather(*(store.once({"q": 1}, broken) for _ in range(5)), return_exceptions=True)
        return results, await store.once({"q": 1}, shop.sell("a"))

    results, answer = use(make_store, go)
    assert [str(result) for result in results] == ["no endpoint (wait)"] * 5
    assert [(type(result), result.status, result.hint) for result in results] == [(HttpFault, 503, "wait")] * 5
    assert len(tries) == 1
    assert answer.output == "a"


def test_a_cancelled_buyer_hands_over_to_one_who_waits(make_store: Callable[[], Any]) -> None:
    shop = Shop()

    async def go(store: Any) -> Answer:
        begun = asyncio.Event()

        async def endless() -> Answer:
            begun.set()
            await asyncio.sleep(3600)
            raise AssertionError

        first = asyncio.create_task(store.once({"q": 1}, endless))
        await begun.wait()
        second = asyncio.create_task(store.once({"q": 1}, shop.sell("a")))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert use(make_store, go).output == "a"


def test_nothing_is_remembered_without_a_store() -> None:
    shop = Shop()

    async def go(store: Any) -> None:
        for _ in range(2):
            await store.once({"q": 1}, shop.sell("a"))

    use(NoAnswers, go)
    assert len(shop.sold) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ANSWERS = st.builds(
    Answer,
    JSON,
    error=st.none(),
    latency_ms=st.floats(0, 1e6),
    cost=st.none() | st.floats(0, 10),
    tokens=st.builds(TokenUsage, *[st.integers(0, 10_000)] * 5),
    finish_reason=st.none() | st.text(max_size=10),
    guardrails=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
    log_probs=st.none() | st.lists(st.floats(-50, 0), max_size=4).map(tuple),
    metadata=st.dictionaries(st.text(), JSON, max_size=3),
    raw=JSON,
)


@given(ANSWERS)
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert from_text(to_text(answer)) == answer


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_keys_do_not_depend_on_the_order_of_fields(identity: dict[str, Any]) -> None:
    assert key_of(identity) == key_of(dict(reversed(identity.items())))


# --- between processes

BUYER = """
import asyncio, json, os, sys
from evolve.core.model.answers import Answer
from evolve.store.answers import SqliteAnswers

path, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

async def main():
    store = SqliteAnswers(path)
    async def one(n):
        async def buy():
            print(json.dumps(["bought", n]), flush=True)
            await asyncio.sleep(pause)
            return Answer(f"answer {n}")
        answer = await store.once({"n": n}, buy)
        print(json.dumps(["got", n]), flush=True)
        assert answer.output == f"answer {n}"
    gate = asyncio.Semaphore(8)
    async def gated(n):
        async with gate:
            await one(n)
    await asyncio.gather(*(gated(n) for n in range(count)))
    await store.close()

asyncio.run(main())
"""


def start_buyer(path: Path, count: int, pause: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(BUYER), str(path), str(count), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=Path(__file__).parents[2])


def said(output: str) -> list[list[Any]]:
    return [json.loads(line) for line in output.splitlines() if line.endswith("]")]


def test_four_processes_never_buy_one_answer_twice(tmp_path: Path) -> None:
    buyers = [start_buyer(tmp_path / "a.sqlite", 60, 0.002) for _ in range(4)]
    outputs = [buyer.communicate(timeout=120)[0] for buyer in buyers]
    assert [buyer.returncode for buyer in buyers] == [0] * 4
    bought = [n for output in outputs for word, n in said(output) if word == "bought"]
    assert sorted(bought) == list(range(60))


OPENER = """
import sys, time
from evolve.store.answers import SqliteAnswers

folder, begin = sys.argv[1], float(sys.argv[2])
for attempt in range(30):
    while time.time() < begin + attempt / 50:
        pass
    SqliteAnswers(f"{folder}/{attempt}.sqlite")
"""


def test_processes_that_begin_together_all_get_the_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(OPENER), str(tmp_path), str(time.time() + 1)]
    openers = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(4)]
    assert [opener.wait(timeout=60) for opener in openers] == [0] * 4


def test_after_a_kill_only_the_calls_in_flight_are_bought_again(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first = start_buyer(path, 200, 0.005)
    assert first.stdout is not None
    lines = [first.stdout.readline() for _ in range(120)]
    os.kill(first.pid, signal.SIGKILL)
    lines += first.communicate()[0].splitlines(keepends=True)
    had = {n for word, n in said("".join(lines)) if word == "got"}
    second = start_buyer(path, 200, 0.0)
    output = second.communicate(timeout=60)[0]
    assert second.returncode == 0
    again = {n for word, n in said(output) if word == "bought"}
    assert had
    assert not had & again, "an answer that was delivered is bought again"


def test_a_claim_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first = start_buyer(path, 1, 3600)
    assert first.stdout is not None
    assert json.loads(first.stdout.readline()) == ["bought", 0]
    first.kill()
    first.communicate()
    second = start_buyer(path, 1, 0)
    assert "bought" in second.communicate(timeout=20)[0]


def test_a_claim_of_another_machine_ends_with_its_lease(tmp_path: Path) -> None:
    shop, now = Shop(), [1000.0]
    path = tmp_path / "a.sqlite"

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        await asyncio.sleep(0)

    async def go(store: Any) -> Answer:
        with sqlite3.connect(path) as other:
            other.execute("INSERT INTO claims VALUES (?, 'elsewhere:1:2', 1005.0)", (key_of({"q": 1}),))
        other.close()
        return await store.once({"q": 1}, shop.sell("a"))

    assert use(lambda: SqliteAnswers(path, clock=lambda: now[0], sleep=sleep), go).output == "a"
    assert now[0] >= 1005.0


# --- files that are not what they should be


@pytest.mark.parametrize("content", [b"this is no database " * 300, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_an_unreadable_file_is_set_aside_and_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    shop = Shop()

    async def go(store: SqliteAnswers) -> str:
        await store.once({"q": 1}, shop.sell("a"))
        return store.notice

    assert "was unreadable" in use(lambda: SqliteAnswers(path), go)
    assert len(list(tmp_path.glob("a.sqlite.unreadable-*"))) == 1
    assert use(lambda: SqliteAnswers(path), go) == ""
    assert shop.sold == ["a"]


BEGINNER = """
import sys, time
from pathlib import Path
from evolve.store.answers import SqliteAnswers

folder, begin = sys.argv[1], float(sys.argv[2])
for attempt in range(30):
    while time.time() < begin + attempt / 20:
        pass
    notice = SqliteAnswers(f"{folder}/{attempt}.sqlite").notice
    if notice:
        print(attempt, flush=True)
"""


def test_one_of_the_processes_that_find_an_unreadable_file_begins_a_new_one(tmp_path: Path) -> None:
    for attempt in range(30):
        (tmp_path / f"{attempt}.sqlite").write_bytes(b"this is no database " * 300)
    command = [sys.executable, "-c", textwrap.dedent(BEGINNER), str(tmp_path), str(time.time() + 1)]
    root = Path(__file__).parents[2]
    beginners = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    reported = [int(line) for one in beginners for line in one.communicate(timeout=60)[0].split()]
    assert [one.returncode for one in beginners] == [0] * 4
    assert sorted(reported) == list(range(30))
    for aside in tmp_path.glob("*.unreadable-*"):
        assert aside.read_bytes().startswith(b"this is no database"), "a new file was set aside"


def test_a_full_disk_loses_no_answer_that_was_paid_for(tmp_path: Path) -> None:
    shop = Shop()

    async def fill(store: SqliteAnswers) -> tuple[list[Answer], str]:
        kept: list[Answer] = []
        database = store._file._database
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages + 4}")
        number, is_full = 0, False
        while not is_full:
            try:
                kept.append(await store.once({"q": number}, shop.sell(f"{number} " * 500)))
                number += 1
            except DiskFull:
                is_full = True
        notice = store.notice
        database.execute("PRAGMA max_page_count = 100000")
        return kept, notice

    async def go() -> tuple[list[Answer], str]:
        store = SqliteAnswers(tmp_path / "a.sqlite")
        try:
            return await fill(store)
        finally:
            await store.close()

    async def again() -> list[Answer]:
        store = SqliteAnswers(tmp_path / "a.sqlite")
        try:
            return [await store.once({"q": number}, shop.sell("again")) for number in range(len(kept))]
        finally:
            await store.close()

    kept, notice = asyncio.run(go())
    assert len(kept) == len(shop.sold)
    assert "1 answer of this run could not be stored" in notice
    assert [answer.output for answer in asyncio.run(again())] == [answer.output for answer in kept]
    assert len(shop.sold) == len(kept)


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(EnvironmentFault, match="has format 99, but this version of Anneal reads format 1"):
        SqliteAnswers(path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match=r"the answer cache .*EVOLVE_CACHE_DIR.*without the cache"):
        SqliteAnswers(tmp_path / "file" / "a.sqlite")
