"""What ran, in pytest's JUnit: the run's id, its start, the commit and the hash of the suites' configuration."""

import time
from pathlib import Path
from typing import Any

import pytest
from _pytest.junitxml import xml_key

from evolve.core.model.suite import Suite
from evolve.core.suites.config_hash import config_hash
from evolve.evaluation.run_identity import identity_of
from evolve.report.suites.run_row import identity_properties

_SENT = "anneal_suites"
"""The key under which a worker of pytest-xdist sends the hashes of its suites."""


class RunFacts:
    """A plug-in of one pytest run; a worker of pytest-xdist has its own, which only sends what it read."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started_s = time.time()
        self._hashes: dict[str, str] = {}

    def add(self, suite: Suite) -> None:
        """Count a suite that was read."""
        self._hashes[suite.path] = config_hash(suite)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker read; one that was killed sends nothing."""
        self._hashes.update(getattr(node, "workeroutput", {}).get(_SENT, {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Give the facts to JUnit before it is written."""
        if hasattr(self._config, "workerinput"):
            self._config.workeroutput[_SENT] = self._hashes  # type: ignore[attr-defined]  # pytest-xdist's
            return
        xml = self._config.stash.get(xml_key, None)
        if xml is None or not self._hashes:
            return
        folder = str(Path(next(iter(self._hashes))).parent)
        for name, value in identity_properties(identity_of(self._hashes, folder, self._started_s)).items():
            xml.add_global_property(name, value)
