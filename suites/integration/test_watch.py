"""`evolve run --watch`: a change of any file that was read runs the suites again; one Ctrl-C ends it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

SUITE = """\
prompts: [file://prompt.txt]
providers: ['python:model.py']
tests: file://tests.csv
"""
DEADLINE_S = 30.0
"""For one run of a suite on a busy machine."""


class Watching:
    """A watching process, and what it printed so far."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "EVOLVE_CACHE_DIR": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "evolve", "run", "s.yaml", "--watch", "--no-cache", "-o", "out.json"]
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.text = ""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> None:
        """Kill what still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.text += line
                self._news.notify_all()

    def wait_for_runs(self, number: int) -> None:
        """Wait until so many runs have ended."""
        with self._news:
            ended = self._news.wait_for(lambda: self.text.count("waiting for a change") >= number, DEADLINE_S)
        assert ended, self.text


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    (tmp_path / "pytest.ini").write_text("")
    (tmp_path / "s.yaml").write_text(SUITE)
    (tmp_path / "prompt.txt").write_text("Say {{q}}")
    (tmp_path / "tests.csv").write_text("q,__expected\none,contains:one\n")
    (tmp_path / "words.py").write_text("WORD = 'first'\n")
    (tmp_path / "model.py").write_text(
        "import words\n\ndef call_api(p, o, c):\n    open('log.txt', 'a').write(p)\n"
        "    return {'output': p + words.WORD}\n"
    )
    started = Watching(tmp_path)
    yield started
    started.end()


def test_a_change_of_any_file_that_was_read_runs_again(watching: Watching, tmp_path: Path) -> None:
    watching.wait_for_runs(1)
    (tmp_path / "tests.csv").write_text("q,__expected\none,contains:two\n")
    watching.wait_for_runs(2)
    assert "tests.csv changed" in watching.text
    (tmp_path / "words.py").write_text("WORD = 'two, the second'\n")  # a module that the provider imports
    watching.wait_for_runs(3)
    assert "words.py changed" in watching.text
    assert "1 passed" in watching.text.rpartition("words.py changed")[2]
    (tmp_path / "prompt.txt").unlink()
    watching.wait_for_runs(4)
    (tmp_path / "prompt.txt").write_text("Say {{q}} two")
    watching.wait_for_runs(5)
    assert "log.txt changed" not in watching.text


def test_one_ctrl_c_ends_it(watching: Watching) -> None:
    watching.wait_for_runs(1)
    os.killpg(watching.process.pid, signal.SIGINT)
    assert watching.process.wait(DEADLINE_S) == 128 + signal.SIGINT
    assert "Traceback" not in watching.text
