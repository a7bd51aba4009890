"""What the gateway's image leaves out is not missed; suites/infra/test_gateway_image.py builds the image."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
DOCKERFILE = ROOT / "dockerfiles/gateway.Dockerfile"
ALL_PARTS = """
import importlib, pkgutil, sys
from importlib.metadata import packages_distributions

listed = set(sys.argv[1:])
missing = {
    module
    for module, names in packages_distributions().items()
    if not {name.lower().replace("_", "-") for name in names} & listed and module not in ("evolve", "pipecatapp")
}


class NotInTheImage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)


sys.meta_path.insert(0, NotInTheImage())
import pipecatapp.gateway

for part in pkgutil.iter_modules(pipecatapp.gateway.__path__):
    importlib.import_module(f"pipecatapp.gateway.{part.name}")
from pipecatapp.serving.agent_file import AgentFile

print(len(AgentFile("ROUTER_AGENT").prompt({"message": "hi", "experts": {"expert-main": "general"}}).messages))
"""


def test_every_part_of_the_gateway_works_without_what_the_image_leaves_out(tmp_path):
    for package in ("evolve", "pipecatapp"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (leaves_out,) = re.findall(
        r"site-packages/evolve \\\n    (&& .*?) \\\n    && find /opt", DOCKERFILE.read_text(), re.DOTALL
    )
    assert "rm -rf" in leaves_out
    subprocess.run(["sh", "-c", f"cd evolve {leaves_out}"], cwd=tmp_path, check=True)
    assert not (tmp_path / "evolve/cli").exists()
    listed = [line for line in (ROOT / "dockerfiles/gateway.packages").read_text().split("\n") if line[:1] not in "#"]
    done = subprocess.run(
        [sys.executable, "-c", ALL_PARTS, *listed],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
