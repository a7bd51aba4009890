"""The ledger's file: killed processes, damaged files, and other versions."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any, TypeVar

import pytest

from evolve.core.model.answers import Answer
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.ports import LedgerAnswer
from evolve.store.answers import SqliteAnswers
from evolve.store.ledger import SqliteLedger

T = TypeVar("T")
WHAT: Any = {"prompt": "why?"}
DEADLINE_S = 30.0


def visit(folder: Path, go: Callable[[SqliteLedger], Awaitable[T]]) -> T:
    async def visited() -> T:
        ledger = SqliteLedger(folder)
        try:
            return await go(ledger)
        finally:
            await ledger.close()

    return asyncio.run(visited())


async def because() -> Answer:
    return Answer("because")


def asking_process(folder: Path, run: str) -> "subprocess.Popen[str]":
    """A process that asks and never gets its answer; it says so when the question is on its way."""
    code = f"""
        import asyncio
        from pathlib import Path
        from evolve.store.ledger import SqliteLedger

        async def endless():
            print("asked", flush=True)
            await asyncio.Event().wait()

        async def main():
            ledger = SqliteLedger(Path({str(folder)!r}))
            ledger.price({WHAT!r}, {run!r})
            await ledger.answer({WHAT!r}, {run!r}, endless)

        asyncio.run(main())
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_what_was_in_flight_when_a_process_was_killed_is_repeated_and_counted(tmp_path):
    kill(asking_process(tmp_path, "a run"))
    kill(asking_process(tmp_path, "a run"))

    async def go(ledger: SqliteLedger) -> tuple[int, LedgerAnswer]:
        return ledger.price(WHAT, "a run"), await ledger.answer(WHAT, "a run", because)

    begun = time.monotonic()
    price, bought = visit(tmp_path, go)
    assert time.monotonic() - begun < DEADLINE_S, "the claim of a dead process is nobody's"
    assert (price, bought.is_new, bought.is_repeated, bought.answer.output) == (1, True, True, "because")


def test_who_waits_for_another_process_buys_when_that_is_killed(tmp_path):
    process = asking_process(tmp_path, "a run")

    async def go(ledger: SqliteLedger) -> LedgerAnswer:
        waiting = asyncio.ensure_future(ledger.answer(WHAT, "another run", because))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "one of two buys"
        kill(process)
        return await asyncio.wait_for(waiting, DEADLINE_S)

    bought = visit(tmp_path, go)
    assert (bought.is_new, bought.is_repeated) == (True, False)


def test_what_a_run_of_a_suite_bought_is_free(tmp_path):
    async def suite() -> None:
        answers = SqliteAnswers(tmp_path / "answers.sqlite")
        await answers.once(WHAT, because)
        await answers.close()

    async def go(ledger: SqliteLedger) -> tuple[int, LedgerAnswer]:
        return ledger.price(WHAT, "a run"), await ledger.answer(WHAT, "a run", because)

    asyncio.run(suite())
    price, bought = visit(tmp_path, go)
    assert (price, bought.is_new, bought.answer.output) == (0, False, "because")


def test_a_ledger_of_another_version_is_refused_and_nothing_is_left_open(tmp_path):
    with closing(connect(tmp_path / "ledger.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(EnvironmentFault, match=r"the ledger .*ledger\.sqlite has format 99.*set EVOLVE_CACHE_DIR"):
        SqliteLedger(tmp_path)


def test_answers_of_another_version_are_refused_and_nothing_is_left_open(tmp_path):
    with closing(connect(tmp_path / "answers.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(EnvironmentFault, match="has format 99"):
        SqliteLedger(tmp_path)


def test_a_file_that_is_no_database_is_the_environments_fault(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("no database at all, but a text of some length")
    with pytest.raises(EnvironmentFault, match="file is not a database"):
        SqliteLedger(tmp_path)


def test_a_folder_that_cannot_be_written_is_the_environments_fault(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EnvironmentFault, match=r"the ledger .*EVOLVE_CACHE_DIR"):
        SqliteLedger(tmp_path / "file" / "cache")


def test_a_table_that_is_gone_is_the_environments_fault_not_a_traceback(tmp_path):
    async def go(ledger: SqliteLedger) -> None:
        with closing(connect(tmp_path / "ledger.sqlite")) as database:
            database.execute("DROP TABLE charges")
        with pytest.raises(EnvironmentFault, match="no such table: charges"):
            ledger.price(WHAT, "a run")
        with pytest.raises(EnvironmentFault, match="no such table: charges"):
            await ledger.answer(WHAT, "a run", because)

    visit(tmp_path, go)
