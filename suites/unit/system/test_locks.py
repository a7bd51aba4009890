"""Locks of files and folders among threads and processes."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evolve.system.locks import locked, locked_async, take_lock

HOLDER = """
import sys
from pathlib import Path
from evolve.system.locks import locked
with locked(Path(sys.argv[1])) as is_held:
    print(is_held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["file", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "x.lock" if request.param == "file" else tmp_path


def test_who_only_asks_gets_false_while_somebody_holds_the_lock(place: Path):
    with locked(place) as first, locked(place, wait_s=0) as second:
        assert (first, second) == (True, False)
    with locked(place, wait_s=0) as third:
        assert third


def test_a_deadline_ends_the_wait(place: Path):
    with locked(place), locked(place, wait_s=0.12) as second:
        assert not second


def test_who_waits_with_a_deadline_gets_the_lock_when_it_is_given_back(place: Path):
    got: list[bool] = []

    def wait() -> None:
        with locked(place, wait_s=60) as is_held:
            got.append(is_held)

    with locked(place):
        waiter = threading.Thread(target=wait)
        waiter.start()
        waiter.join(0.1)
        assert not got
    waiter.join(60)
    assert got == [True]


def test_an_event_loop_goes_on_while_it_waits(place: Path):
    order: list[str] = []

    async def wait() -> None:
        async with locked_async(place) as is_held:
            order.append(f"waiter {is_held}")

    async def go() -> None:
        async with locked_async(place) as is_held:
            assert is_held
            waiter = asyncio.create_task(wait())
            async with locked_async(place, wait_s=0.12) as other:
                assert not other
            order.append("holder")
        await waiter

    asyncio.run(go())
    assert order == ["holder", "waiter True"]


def test_a_killed_process_gives_its_lock_back(place: Path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(place)], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with locked(place, wait_s=0) as is_held:
            assert not is_held
        holder.kill()
        with locked(place, wait_s=60) as is_held:
            assert is_held


def test_a_child_does_not_inherit_a_lock(place: Path):
    with locked(place):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    with child, locked(place, wait_s=0) as is_held:
        assert child.poll() is None
        assert is_held
        child.kill()


def test_an_open_file_is_locked_until_it_is_closed(tmp_path: Path):
    with (tmp_path / "log").open("ab") as one, (tmp_path / "log").open("ab") as two:
        assert take_lock(one.fileno(), wait_s=0)
        assert not take_lock(two.fileno(), wait_s=0)
        one.close()
        assert take_lock(two.fileno(), wait_s=0)


def test_a_new_lock_file_is_its_owners_alone(tmp_path: Path):
    with locked(tmp_path / "x.lock"):
        assert (tmp_path / "x.lock").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_opened_is_an_error_of_the_system(tmp_path: Path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "x.lock"):
        pass
