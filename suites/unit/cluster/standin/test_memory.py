"""What counts as a task's memory."""

import subprocess
import sys

from evolve.cluster.standin.memory import MIB, machine_mb, used_bytes

HOLDS = "held = bytearray(40 << 20); print('held', flush=True); input()"
BEGETS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}])"


def held_by(code: str) -> int:
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        used = used_bytes(process.pid)
        process.communicate("\n")
    return used


def test_memory_of_a_process_and_of_its_children_counts():
    assert 40 * MIB < held_by(HOLDS) < 80 * MIB
    assert 40 * MIB < held_by(BEGETS) < 120 * MIB


def test_a_process_that_has_ended_holds_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert used_bytes(process.pid) == 0


def test_the_machine_has_memory():
    assert machine_mb() > 256
