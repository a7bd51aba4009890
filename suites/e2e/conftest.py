"""The end-to-end suite needs the app's libraries and, for some of its tests, the larger model."""

import importlib.util
import os
from pathlib import Path

import pytest

from evolve.core.model.extras import install_command

HERE = Path(__file__).parent
LIBRARIES = ("fastapi", "prometheus_client", "uvicorn")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what cannot run here, with the command that helps; in CI, missing libraries are an error instead."""
    own = [item for item in items if item.path.parent == HERE]
    reason = _missing_libraries() if own and not os.environ.get("EVOLVE_REQUIRE") else ""
    for item in own:
        why = reason or (_missing_model() if item.name.endswith("[large]") else "")
        if why:
            item.add_marker(pytest.mark.skip(why))


def _missing_libraries() -> str:
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    return f"needs {', '.join(missing)}: {install_command('app_test')}" if missing else ""


def _missing_model() -> str:
    from fixtures.e2e_app import large_model

    return "" if large_model().is_file() else "needs the larger model: ./bootstrap.sh model large"
