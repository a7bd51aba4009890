"""The end-to-end suite needs the app's libraries and, for some of its tests, the larger model."""

import importlib.util
from pathlib import Path

import pytest

from evolve.core.model.extras import install_command

HERE = Path(__file__).parent
LIBRARIES = ("fastapi", "prometheus_client", "uvicorn")


def _missing_libraries() -> str:
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    return f"needs {', '.join(missing)}: {install_command('app_test')}" if missing else ""


# Everything here imports the app; `tox run -e app` has what that takes.
collect_ignore_glob = ["*"] if _missing_libraries() else []


def pytest_report_header() -> str | None:
    """Return what is left out here, and the command that helps."""
    reason = _missing_libraries()
    return f"end-to-end tests of the app are left out: {reason}" if reason else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs the larger model where it is not there, with the command that fetches it."""
    for item in items:
        if item.path.parent == HERE and item.name.endswith("[large]") and (why := _missing_model()):
            item.add_marker(pytest.mark.skip(why))


def _missing_model() -> str:
    from fixtures.e2e_app import large_model

    return "" if large_model().is_file() else "needs the larger model: ./bootstrap.sh model large"
