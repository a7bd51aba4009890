"""Names of suites' tests in pytest's own JUnit file.

pytest takes what follows a `[` in a test's id for its parameters, closes the bracket if the id does not, and so changes
names of suites: `a [b` and `a [b]` would be one test.
"""

from typing import Any

import pytest

_SUITES = (".yaml", ".yml", ".json")


class JUnitNames:
    """Gives tests of suites their own names, whatever brackets are in them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set the name before pytest's reporter does; it keeps attributes that are there."""
        path, _, name = report.nodeid.partition("::")
        writer = self._writer() if "[" in report.nodeid and path.endswith(_SUITES) else None
        if writer is not None:
            prefix = [writer.prefix] if writer.prefix else []
            reporter = writer.node_reporter(report)
            reporter.add_attribute("classname", ".".join([*prefix, path.replace("/", ".")]))
            reporter.add_attribute("name", name)

    def _writer(self) -> Any:
        """Return pytest's plug-in that writes the file; None in a worker of pytest-xdist, which writes none."""
        plugins = self._config.pluginmanager.get_plugins()
        return next((plugin for plugin in plugins if hasattr(plugin, "node_reporter")), None)
