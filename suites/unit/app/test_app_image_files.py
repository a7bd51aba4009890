"""What the images leave out is not missed; suites/infra/test_app_images.py builds them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ONLY_LISTED = """
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


def import_all(*rooms):
    for room in rooms:
        package = importlib.import_module(f"pipecatapp.{room}")
        for part in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{part.name}")


from pipecatapp.serving.agent_file import AgentFile
"""
GATEWAY = """
import_all("gateway", "serving")
assert AgentFile("ROUTER_AGENT").prompt({"message": "hi", "experts": {"expert-main": "general"}}).messages
"""
# What the tools import where they are used, and what the memory's redaction does.
AGENT = """
import_all("agent", "tools", "serving")
import asyncio
from evolve.core.cases.redaction import Redactor
from pipecatapp.agent.choice import ChoiceAgent
from pipecatapp.tools import page_text
from pipecatapp.tools.mcp_server import make_server
import mcp.server.stdio, mcp.server.transport_security, mcp.client.stdio, mcp.client.streamable_http
import resiliparse.extract.html2text, pygments.lexers

assert ChoiceAgent("TWIN_AGENT").title
assert "sk-abc" not in Redactor(("sk-abc-123-secret",), key=b"k" * 32).redact("it is sk-abc-123-secret")
"""


@pytest.mark.parametrize(("image", "code"), [("gateway", GATEWAY), ("pipecatapp", AGENT)])
def test_every_part_works_without_what_the_image_leaves_out(image, code, tmp_path):
    if image == "pipecatapp":
        pytest.importorskip("mcp")
    for package in ("evolve", "pipecatapp"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = (ROOT / f"dockerfiles/{image}.Dockerfile").read_text()
    (leaves_out,) = re.findall(r"site-packages/evolve \\\n    (&& .*?) \\\n    && find /opt", recipe, re.DOTALL)
    assert "rm -rf" in leaves_out
    subprocess.run(["sh", "-c", f"cd evolve {leaves_out}"], cwd=tmp_path, check=True)
    assert not (tmp_path / "evolve/cli").exists()
    listed = [line for line in (ROOT / f"dockerfiles/{image}.packages").read_text().split("\n") if line[:1] not in "#"]
    done = subprocess.run(
        [sys.executable, "-c", ONLY_LISTED + code, *listed],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_an_image_has_is_held_at_a_version():
    versions = {line.partition("==")[0] for line in (ROOT / "roles/common/files/constraints.txt").read_text().split()}
    for image in ("gateway", "pipecatapp"):
        listed = [one for one in (ROOT / f"dockerfiles/{image}.packages").read_text().split("\n") if one[:1] not in "#"]
        assert set(listed) <= versions, image
