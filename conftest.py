"""The plug-ins that this repository's own tests use, and what makes their collection cheap."""

import functools
import importlib.util
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.model.extras import Extra, install_command

pytest_plugins = [
    "pytester",
    "fixtures.console_lines",
    "fixtures.faulty_server",
    "fixtures.hosts",
    "fixtures.opened_providers",
]

ROOT = Path(__file__).parent

LIBRARIES: dict[str, Extra] = {
    "ansible": "infra",
    "asyncssh": "app_test",
    "axe_playwright_python": "browser",
    "docker": "test",
    "fastapi": "gateway",
    "html5lib": "formats",
    "hypothesis": "test",
    "langchain_openai": "app_test",
    "litellm": "app_test",
    "httpx2": "app",
    "lxml": "test",
    "mcp": "app",
    "numpy": "voice",
    "openai": "app_test",
    "pipecat": "voice",
    "playwright": "browser",
    "prometheus_client": "gateway",
    "pydantic": "gateway",
    "rapidfuzz": "formats",
    "resiliparse": "app",
    "schemathesis": "app_test",
    "snowballstemmer": "formats",
    "soxr": "voice",
    "sqlglot": "formats",
    "testinfra": "infra",
    "uvicorn": "gateway",
    "xllamacpp": "embedded",
}
"""Libraries that tests import, and the part of Anneal that brings each."""


def pytest_configure() -> None:
    """Lets the commands under test be interrupted, also where CI started pytest in the background.

    A shell makes background jobs ignore SIGINT, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skips a file whose imports need a library that is not installed, with the command that adds it.

    Where EVOLVE_REQUIRE names what must be there, as in CI, it stays an error.
    """
    report: pytest.CollectReport = yield  # type: ignore[misc, assignment]
    found = re.search(r"ModuleNotFoundError: No module named '(\w+)[\w.]*'\s*\Z", report.longreprtext)
    if report.failed and found and found[1] in LIBRARIES and not os.environ.get("EVOLVE_REQUIRE"):
        report.outcome = "skipped"
        why = f"Skipped: needs {found[1]}: {install_command(LIBRARIES[found[1]])}"
        report.longrepr = (str(collector.path), 0, why)
    return report  # type: ignore[return-value]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out files that cannot hold what is asked for, where that is one registered marker: `-k adaptation`.

    A test has a marker because its file names it, and no other test of ours has a marker's word in its name
    (suites/integration/test_own_collection.py compares). So a file without the word need not be imported, which is most
    of what collection costs. Any other expression is pytest's own business.
    """
    marker = config.stash.get(_MARKER, None)
    if marker is None:
        marker = config.stash[_MARKER] = _one_marker(config)
    if not marker or collection_path in _arguments(config):
        return None
    return None if _names(collection_path, marker) else True


_MARKER = pytest.StashKey[str]()


def _one_marker(config: pytest.Config) -> str:
    """The registered marker that alone is the expression of -k or -m; empty where there is none."""
    known = {line.partition(":")[0].strip() for line in config.getini("markers")}
    given = (str(config.option.keyword).strip(), str(config.option.markexpr).strip())
    return next((word for word in given if word in known), "")


def _arguments(config: pytest.Config) -> frozenset[Path]:
    """The files and folders of the command line: pytest takes it for a mistake when one of them holds nothing."""
    folder = config.invocation_params.dir
    return frozenset((folder / str(word).partition("::")[0]).resolve() for word in config.args)


@functools.cache
def _names(path: Path, word: str) -> bool:
    """Whether a test file or suite names a word, or a folder holds one that does; other files are nobody's."""
    if path.is_dir():
        return any(_names(below, word) for below in sorted(path.iterdir()) if not below.name.startswith((".", "_")))
    if path.suffix not in (".py", ".yaml", ".yml", ".json"):
        return False
    return word in str(path).removeprefix(str(ROOT)) or word in path.read_text("utf-8", "replace")


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Sets hypothesis up before the first file that imports it: its import takes a second, and many runs need none."""
    if "hypothesis" in module_path.read_text("utf-8", "replace"):
        _set_up_hypothesis()


@functools.cache
def _set_up_hypothesis() -> None:
    if importlib.util.find_spec("hypothesis") is None:
        return
    from hypothesis import HealthCheck, settings

    # A busy machine must not turn a slow example into a failure: time is measured in benchmarks, never in tests.
    settings.register_profile("anneal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("anneal")
