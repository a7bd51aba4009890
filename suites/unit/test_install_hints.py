"""What messages and documents say about installing Anneal: it is on no index, so its name alone installs nothing."""

import re
import tomllib
from pathlib import Path
from typing import get_args

from evolve.core.model.extras import Extra, install_command

ROOT = Path(__file__).parents[2]
TEXTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(
        path
        for folder in ("evolve", "pipecatapp", "suites", "fixtures", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ),
]


def test_every_part_of_the_project_can_be_hinted_at_and_is_described():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    described = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "install.md").read_text("utf-8"), re.M)
    assert set(get_args(Extra)) == set(project["optional-dependencies"]) == set(described)


def test_nothing_asks_for_the_package_by_a_name_that_no_index_has():
    wrong = re.compile(r"pip install [^\n]*" + "anneal-" + "harness")
    # The page on releases says what to type once there is an index that has the package.
    found = [path.name for path in TEXTS if wrong.search(path.read_text("utf-8"))]
    assert found == ["releasing.md"]


def test_the_command_is_written_in_one_module():
    command = re.compile(re.escape(install_command("formats").partition("'")[0]) + r"'\.\[")
    packages = (ROOT / "evolve").rglob("*.py")
    assert [path.name for path in packages if command.search(path.read_text("utf-8"))] == ["extras.py"]
