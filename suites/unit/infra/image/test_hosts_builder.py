import subprocess
import sys
from pathlib import Path

import pytest

BUILDER = """
import sys
from pathlib import Path
from evolve.infra.image.base_image import one_builder
with one_builder("bookworm"):
    built = Path(sys.argv[1])
    if not built.exists():
        print("builds", flush=True)
        sys.stdin.readline()
        built.touch()
"""


def test_two_processes_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "built")]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "builds\n"
        with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as second:
            # The second waits for the first, whatever it takes, and then finds what was built.
            first.communicate("\n", timeout=60)
            assert second.communicate("\n", timeout=60)[0] == ""
