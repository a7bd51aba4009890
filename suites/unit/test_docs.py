"""The documentation's links lead somewhere, on a forge and on the site, and its lists are complete."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^()\s]+)\)|\bsrc=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
FROM_ELSEWHERE = ("fixtures/", "suites/", "evolve/agents/", "benchmarks/beyond_agents/")
"""Test data, and agents, whose text is a prompt."""


def tracked(pattern: str) -> list[Path]:
    """Return the repository's own files: tracked, or new and not ignored."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


PAGES = [path for path in tracked("*.md") if not str(path.relative_to(ROOT)).startswith(FROM_ELSEWHERE)]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the ids that a forge gives to the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def problem(page: Path, link: str) -> str:
    """Return what is wrong with a link of a page; empty when it leads somewhere, or to another host."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return "" if parts.scheme in ("https", "mailto") else f"{link}: not https"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"{link}: there is no such file"
    if target.is_dir() and not (target / "README.md").is_file():
        return f"{link}: a folder without a README.md has no page on the site"
    if parts.fragment and parts.fragment not in anchors(target):
        return f"{link}: there is no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    links = [first or second for first, second in LINK.findall(CODE.sub("", prose(page)))]
    assert [found for link in links if (found := problem(page, link))] == []


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "README.md"
    assert problem(page, "docs/nowhere.md") == "docs/nowhere.md: there is no such file"
    assert problem(page, "docs/suites.md#nothing") == "docs/suites.md#nothing: there is no such heading"
    assert problem(page, "evolve/core/") == "evolve/core/: a folder without a README.md has no page on the site"
    assert problem(page, "../outside.md") == "../outside.md: there is no such file"
    assert problem(page, "docs/decisions/") == problem(page, "docs/suites.md#assertions") == ""


def test_every_decision_is_in_the_list_of_decisions_with_its_title():
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.M)
    titles = {page.name: page.read_text().splitlines()[0] for page in folder.glob("0*.md")}
    assert {name: f"# {int(number)}. {title}" for number, name, title in listed} == titles


def test_every_page_of_docs_is_in_the_navigation_of_the_site():
    # The site's own build says so too, with MkDocs; this needs nothing but YAML.
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())

    def paths(nav: object) -> list[str]:
        if isinstance(nav, str):
            return [str(path.relative_to(ROOT)) for path in ROOT.glob(nav)]
        parts = nav.values() if isinstance(nav, dict) else nav
        assert not isinstance(parts, str)
        return [path for part in parts for path in paths(part)]  # type: ignore[attr-defined]

    named = paths(config["nav"])
    assert sorted(named) == sorted(set(named))
    assert {str(page.relative_to(ROOT)) for page in PAGES if page.is_relative_to(ROOT / "docs")} <= set(named)


@pytest.mark.parametrize("image", tracked("docs/images/*"), ids=lambda path: path.name)
def test_pictures_are_small(image: Path):
    assert image.stat().st_size <= 200_000


def project() -> dict[str, Any]:
    """Return the package's metadata as pyproject.toml has it."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


EXAMPLE = ROOT / "docs/ci-example.yml"
EXAMPLES = [EXAMPLE, ROOT / "docs/check-example.yml"]
WORKFLOWS = [*EXAMPLES, *tracked(".github/workflows/*.yml")]


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_extra_that_a_page_installs_exists(page: Path):
    named = re.findall(r"(?:anneal-harness|anneal|-e '\.)\[([a-z,]+)\]", page.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(project()["optional-dependencies"])


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_only_and_its_jobs_end(workflow: Path):
    # The lint environment holds workflows to the schema of GitHub Actions.
    found = yaml.safe_load(workflow.read_text())
    assert found["permissions"] == {"contents": "read"}
    for job in found["jobs"].values():
        assert job["timeout-minutes"] <= 360
        assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)


@pytest.mark.parametrize("workflow", EXAMPLES, ids=lambda path: path.name)
def test_a_users_workflow_can_be_called_and_its_commands_exist(workflow: Path):
    found = yaml.safe_load(workflow.read_text())
    given = found[True]["workflow_call"]["inputs"]  # YAML 1.1 reads the key `on` as true
    texts = [json.dumps(step) for job in found["jobs"].values() for step in job["steps"]]
    assert set(re.findall(r"inputs\.(\w+)", " ".join(texts))) == set(given)
    lines = [
        line for job in found["jobs"].values() for step in job["steps"] for line in step.get("run", "").split("\n")
    ]
    commands = [shlex.split(line, comments=True) for line in lines if line.strip() and not line.startswith("#")]
    assert {words[0] for words in commands} <= {"pip", "evolve", "pytest"}
    ours = [words for words in commands if words[0] in ("evolve", "pytest")]
    assert ours
    for program, *words in ours:
        help_text = subprocess.run(
            [sys.executable, "-m", program, *([words[0]] if program == "evolve" else []), "--help"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= set(re.findall(r"--[a-z-]+", help_text)) | {"--junitxml"}


def test_ci_runs_every_python_that_the_package_claims():
    claimed = {word.rpartition(" :: ")[2] for word in project()["classifiers"] if re.search(r":: 3\.\d+$", word)}
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step.get("with", {}).get("python-version", "") for step in jobs["test"]["steps"]]
    assert {*filter(None, steps), *jobs["python"]["strategy"]["matrix"]["python"]} == claimed
