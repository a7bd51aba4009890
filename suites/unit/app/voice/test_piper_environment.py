import pytest

from evolve.core.model.errors import ProcessFault
from pipecatapp.voice.installed import piper_program
from pipecatapp.voice.piper_environment import PIPER, install_piper


def test_an_index_without_piper_is_a_fault_and_what_is_half_there_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    program = piper_program(tmp_path)
    program.parent.mkdir(parents=True)
    program.write_text("of a start that was interrupted")
    with pytest.raises(ProcessFault, match=f"pip did not install {PIPER}"):
        install_piper(tmp_path)
    assert not program.exists()
    assert not (program.parents[1] / "installed").exists()


def test_what_is_here_is_not_installed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    program = piper_program(tmp_path)
    program.parent.mkdir(parents=True)
    program.write_text("a program")
    (program.parents[1] / "installed").write_text(PIPER)
    assert not install_piper(tmp_path)
