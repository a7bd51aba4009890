"""A program's log in a file: the same lines, bounded, and a folder that is not there is the machine's fault."""

import logging

import pytest

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.serving import logs


@pytest.fixture
def log():
    made = logging.getLogger("a log of a test")
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()


def test_a_file_gets_what_standard_error_gets(log, tmp_path, capsys):
    logs.log_to_stderr(log, file=tmp_path / "log")
    log.info("Grüße")
    written = (tmp_path / "log").read_text(encoding="utf-8")
    assert written.endswith("INFO Grüße\n")
    assert "INFO Gr" in capsys.readouterr().err


def test_a_log_never_fills_the_disk(log, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_FILE_BYTES", 1000)
    logs.log_to_stderr(log, file=tmp_path / "log")
    for _ in range(100):
        log.info("x" * 100)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 4000


def test_a_file_that_cannot_be_written_is_the_machines_fault(log, tmp_path):
    with pytest.raises(EnvironmentFault, match=r"no/log: the log cannot be written: No such file"):
        logs.log_to_stderr(log, file=tmp_path / "no/log")
