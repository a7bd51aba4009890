"""Processes that write failure cases at the same time, some of them killed, lose and duplicate none."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from evolve.store.case_files import CaseFolder

WRITER = """
import sys
from random import Random

from evolve.core.cases.failure_case import CaseSource, FailureCase
from evolve.store.case_files import CaseFolder

folder, seed, count = CaseFolder(sys.argv[1], max_new=10**6), int(sys.argv[2]), int(sys.argv[3])
numbers = list(range(count))
Random(seed).shuffle(numbers)
print("ready", flush=True)
sys.stdin.readline()
for number in numbers:
    source = CaseSource("suite", f"test {number}", "contains", "no", "echo", "A@1", "2025-03-04")
    check = {"type": "contains", "value": "x"}
    case = FailureCase("A", f"{number:012x}", f"by {seed}", {"x": "y" * 200}, "p", source, assertions=(check,))
    event = folder.record(case)
    print(number, event.change, flush=True)
"""


PINNER = """
import sys
from dataclasses import replace
from pathlib import Path

from evolve.store.case_files import CaseFolder

path, count = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    status = ("pinned", "open")[number % 2]
    after = CaseFolder(path.parent).update(path, lambda case: replace(case, status=status, family=f"{case.family}."))
    print(number, after.status, flush=True)
"""


def start(folder: Path, seed: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(seed), str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin(writers: list[subprocess.Popen[str]]) -> None:
    """Lets all of them begin when all are there."""
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()


def test_each_case_is_new_for_one_process_only(tmp_path: Path):
    writers = [start(tmp_path, seed, 40) for seed in range(4)]
    begin(writers)
    reported = [line.split() for writer in writers for line in writer.communicate(timeout=120)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert Counter(change for _, change in reported) == {"new": 40, "repeat": 120}
    cases = CaseFolder(tmp_path).load_all()
    assert sorted(int(stored.case.fingerprint, 16) for stored in cases) == list(range(40))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 40


def test_cases_are_recorded_while_others_are_pinned_and_no_change_is_lost(tmp_path: Path):
    first = start(tmp_path, 0, 1)
    begin([first])
    first.communicate(timeout=60)
    ((path, _),) = CaseFolder(tmp_path).load_all()
    words = [sys.executable, "-c", PINNER, str(path), "40"]
    pinners = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    writers = [*pinners, start(tmp_path, 1, 40)]
    begin(writers)
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * 3
    assert len(CaseFolder(tmp_path).load_all()) == 40
    assert CaseFolder(tmp_path).load(path).family.endswith("." * 80)
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 40


def test_a_killed_writer_leaves_whole_files_and_the_next_one_goes_on(tmp_path: Path):
    moments = random.Random(7)
    for seed in range(6):
        writer = start(tmp_path, seed, 60)
        begin([writer])
        assert writer.stdout is not None
        seen = [writer.stdout.readline() for _ in range(moments.randrange(1, 40))]
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate(timeout=60)
        known = {stored.case.fingerprint for stored in CaseFolder(tmp_path).load_all()}
        assert {f"{int(line.split()[0]):012x}" for line in seen} <= known
    last = start(tmp_path, 99, 60)
    begin([last])
    last.communicate(timeout=120)
    cases = CaseFolder(tmp_path).load_all()
    assert sorted(int(stored.case.fingerprint, 16) for stored in cases) == list(range(60))
