"""A play that is killed ends with all its processes; here the hosts are this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.infra.verification.plays import Play, Player
from fixtures.processes import is_running, wait_for

DEADLINE_S = 20
WORKER = """
p=$$
while ! tr '\\0' ' ' </proc/$p/cmdline | grep -q ansible_sid[e]; do p=$(sed -n 's/^PPid:\\t//p' /proc/$p/status); done
echo $p >{folder}/part; mv {folder}/part {folder}/worker
exec sleep 600
"""


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Play]]:
    """Host a ends its task when host b's has begun, which then sleeps; the processes are ended with the test."""
    tasks = {"a": f"until test -e {tmp_path}/worker; do sleep 0.05; done", "b": WORKER.format(folder=tmp_path)}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {**here, "does": does} for name, does in tasks.items()}
    (tmp_path / "inventory.yaml").write_text(json.dumps({"all": {"hosts": hosts}}))
    shell = f"echo $$ >>{tmp_path}/shells; {{{{ does }}}}"
    task = {"name": "Do it", "ansible.builtin.shell": shell}
    (tmp_path / "play.yaml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    yield lambda **options: Play(tmp_path / "play.yaml", tmp_path / "inventory.yaml", (), **options)
    for pid in (tmp_path / "shells").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def worker(tmp_path: Path) -> int:
    """The process that runs the task of host b."""
    return int((tmp_path / "worker").read_text())


def test_a_converge_that_is_interrupted_goes_on_on_no_host(play: Callable[..., Play], tmp_path: Path) -> None:
    with Player() as player:
        played = player.play(play(stop_after=1))
        assert played.rc < 0, played.why
        wait_for("the other host's task ends", lambda: not is_running(worker(tmp_path)), within_s=DEADLINE_S)


def test_a_play_that_takes_too_long_is_ended_and_its_task_named(play: Callable[..., Play], tmp_path: Path) -> None:
    with Player(timeout_s=8) as player:
        with pytest.raises(EnvironmentFault, match=r"took longer than 8 s and was ended.*\n.*Do it") as caught:
            player.play(play())
        wait_for("the task ends", lambda: not is_running(worker(tmp_path)), within_s=DEADLINE_S)
    assert "ansible-playbook" not in str(caught.value)


def test_a_killed_run_ends_its_play_whole(play: Callable[..., Play], tmp_path: Path) -> None:
    given = play()
    script = (
        "from pathlib import Path; from evolve.infra.verification.plays import Play, Player\n"
        f"Player().play(Play(Path({str(given.playbook)!r}), Path({str(given.inventory)!r}), ()))"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as run:
        wait_for("the task begins", (tmp_path / "worker").exists, within_s=DEADLINE_S)
        run.kill()
    wait_for("the task ends", lambda: not is_running(worker(tmp_path)), within_s=DEADLINE_S)
