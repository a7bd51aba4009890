"""Programs of tools: both streams, limits, and no child that stays."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from evolve.core.model.errors import ProcessFault
from pipecatapp.tools.programs import Ended, run_program

ENV = {"PATH": os.environ["PATH"]}


def ran(script: str, max_bytes: int = 1000) -> Ended:
    return asyncio.run(run_program(("sh", "-c", script), ENV, max_bytes))


def test_output_and_exit_code():
    assert ran("echo out; echo err >&2; exit 4") == Ended(4, b"out\nerr\n")
    assert ran("kill -9 $$") == Ended(-9, b"")


def test_it_gets_no_input_and_no_other_variables():
    assert ran("cat; env | grep -c HOME") == Ended(1, b"0\n")


def test_one_that_writes_without_end_is_ended():
    assert ran("yes") == Ended(None, b"y\n" * 500)


def test_one_whose_child_left_the_session_with_its_output_is_ended():
    async def run() -> Ended:
        async with asyncio.timeout(20):
            return await run_program(("sh", "-c", "setsid sleep 60 & yes"), ENV, 10)

    assert asyncio.run(run()).code is None


def test_it_reads_a_file(tmp_path: Path):
    (tmp_path / "given").write_bytes(b"a\0b")
    with (tmp_path / "given").open("rb") as file:
        assert asyncio.run(run_program(("cat",), ENV, 10, stdin=file)) == Ended(0, b"a\0b")


def test_one_that_does_not_exist():
    with pytest.raises(ProcessFault, match="no-such-program did not start: No such file"):
        asyncio.run(run_program(("no-such-program",), ENV, 10))


def test_a_cancelled_call_ends_the_program_and_its_children(tmp_path: Path):
    pids = tmp_path / "pids"

    async def cancel() -> None:
        script = f"sleep 1000 & echo $! >> {pids}.part; echo $$ >> {pids}.part; mv {pids}.part {pids}; wait"
        task = asyncio.create_task(run_program(("sh", "-c", script), ENV, 10))
        async with asyncio.timeout(30):
            while not pids.exists():
                await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(30):
            while any(map(is_running, pids.read_text().split())):
                await asyncio.sleep(0.01)

    asyncio.run(cancel())


def is_running(pid: str) -> bool:
    """Whether a process runs; one that nobody waits for has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
