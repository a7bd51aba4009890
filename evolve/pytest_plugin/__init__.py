"""The pytest plug-in: every test of a suite is an item.

It must be cheap to import, because every pytest run on the machine loads it. It does nothing until the ini option
`suite_files` or the command line names a suite.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evolve.cli._options import positive

if TYPE_CHECKING:
    import warnings
    from collections.abc import Iterator

    from evolve.pytest_plugin.agents.recording import OpenAgent
    from evolve.pytest_plugin.suites.run_facts import RunFacts
    from evolve.pytest_plugin.suites.session import SuiteSession

_SUFFIXES = (".yaml", ".yml", ".json")
_SESSION: "pytest.StashKey[SuiteSession]" = pytest.StashKey()
_FACTS: "pytest.StashKey[RunFacts]" = pytest.StashKey()
_NAMED: pytest.StashKey[frozenset[Path]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini settings of suites and roles."""
    group = parser.getgroup("suites", "suites in promptfoo's format (Anneal)")
    group.addoption("--suite-concurrency", type=positive, metavar="N", help="concurrent calls to a suite's providers")
    group.addoption("--no-suite-cache", action="store_true", help="neither read nor store answers of suites' providers")
    group.addoption(
        "--suite-table", choices=("none", "short", "full"), default="none", help="matrix of results in the summary"
    )
    roles = parser.getgroup("roles", "Ansible roles on real hosts (Anneal)")
    roles.addoption("--infra-roles", action="append", metavar="DIR", help="verify every role in a folder of roles")
    roles.addoption("--infra-release", action="append", metavar="NAME", help="release of the hosts (default: bookworm)")
    roles.addoption("--infra-changed", metavar="COMMIT", help="only roles changed since, and suite_roles_always")
    roles.addoption("--infra-skip-unchanged", action="store_true", help="skip what passed before and has not changed")
    roles.addoption("--infra-seed", type=int, default=0, metavar="N", help="random seed of the interruption's place")
    roles.addoption("--infra-every-interruption", action="store_true", help="interrupt after each task that changed")
    roles.addoption("--infra-strict", action="store_true", help="a role without argument specification fails")
    roles.addoption("--infra-roles-path", action="append", metavar="DIR", help="further roles and collections")
    roles.addoption("--infra-watch", action="append", metavar="GLOB", help="paths on hosts to compare in any case")
    roles.addoption("--infra-capability", action="append", metavar="NAME", help="given to hosts, such as SYS_TIME")
    roles.addoption("--infra-privileged", action="store_true", help="hosts are privileged, where the engine allows it")
    roles.addoption("--infra-report", metavar="DIR", help="folder for the report (default: reports/roles)")
    parser.addini("suite_role_files", "YAML files with `roles: FOLDER`, relative to rootdir", type="args", default=[])
    parser.addini("suite_roles_always", "roles that --infra-changed selects in any case", type="args", default=[])
    parser.addini("suite_files", "globs of suite files to collect, relative to rootdir", type="args", default=[])
    parser.addini(
        "suite_undefined",
        "undefined template variables in suites: typos (an error where the name resembles a defined one, else a "
        "warning), strict (an error) or empty",
        default="typos",
    )
    parser.addini(
        "suite_max_evaluations",
        "refuse a suite whose lists and repeats multiply to more evaluations; default: 100000",
        default="100000",
    )
    parser.addini(
        "suite_unknown_keys",
        "unknown keys in suites: typos (an error where they resemble a known key or belong to another place, else a "
        "warning), error or warn",
        default="typos",
    )
    parser.addini(
        "suite_annotations",
        "failures of suites as annotations of GitHub Actions: auto (where GITHUB_ACTIONS is set), github or none",
        default="auto",
    )
    parser.addini("suite_failure_cases", "folder for failure cases, relative to rootdir; empty: none are written")
    parser.addini("suite_max_new_cases", "the maximum of new failure cases that a run writes", default="20")
    parser.addini("suite_personal_data", "personal data in failure cases: mask or keep", default="mask")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run roles in parallel on all cores with `--infra-roles`, if pytest-xdist is installed."""
    # A worker calls this hook too, and must not have workers of its own.
    is_worker = hasattr(config, "workerinput")
    if config.getoption("--infra-roles") and config.pluginmanager.hasplugin("xdist") and not is_worker:
        from evolve.pytest_plugin.roles.hooks import run_side_by_side

        run_side_by_side(config)


def pytest_configure(config: pytest.Config) -> None:
    """Register what is requested: roles, the capture of failures, and further outputs of suites."""
    annotations = config.getini("suite_annotations")
    if annotations not in ("auto", "github", "none"):
        raise pytest.UsageError(f"ini option suite_annotations: expected auto, github or none, got {annotations!r}")
    if config.getini("suite_files") or _suites_on_command_line(config):
        _register_outputs(config, annotations)
    if config.getoption("--infra-roles") or config.getini("suite_role_files"):
        from evolve.pytest_plugin.roles.hooks import RoleRuns

        config.pluginmanager.register(RoleRuns(config), "evolve-roles")
    if config.getini("suite_failure_cases"):
        from evolve.pytest_plugin.agents.capturing import Capture

        config.pluginmanager.register(Capture(config), "evolve-capture")


def _register_outputs(config: pytest.Config, annotations: str) -> None:
    """Register the outputs of suites beyond pytest's own, each in the workers of pytest-xdist too."""
    if annotations == "github" or (annotations == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"):
        from evolve.pytest_plugin.suites.annotating import Annotating

        config.pluginmanager.register(Annotating(config), "evolve-annotations")
    if config.getoption("--suite-table") != "none":
        from evolve.pytest_plugin.suites.table import ResultTable

        config.pluginmanager.register(ResultTable(config), "evolve-table")
    if config.getoption("xmlpath", None):
        from evolve.pytest_plugin.suites.run_facts import RunFacts

        config.stash[_FACTS] = RunFacts(config)
        config.pluginmanager.register(config.stash[_FACTS], "evolve-run-facts")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(config: pytest.Config) -> "Iterator[None]":
    """Escape what pytest-xdist cannot send: outputs, exceptions and JavaScript may hold half of a character."""
    made = yield
    if made is None or not hasattr(config, "workerinput"):
        return made
    from evolve.pytest_plugin.reports import report_as_utf8

    return report_as_utf8(made)


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: "warnings.WarningMessage") -> None:
    """Escape the same in warnings, before pytest-xdist sends them."""
    from evolve.pytest_plugin.reports import escape_warning

    escape_warning(warning_message)


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> "OpenAgent":
    """Open an agent by its name or file: `agent("REFLECTION_AGENT").ask(diagnostics={...})` returns its answer.

    Each exchange is recorded, so that it can become a failure case when the test fails.
    """
    from evolve.pytest_plugin.agents.recording import open_agents

    return open_agents(request.node)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect suites: files that `suite_files` matches, and suites named on the command line."""
    if file_path.suffix not in _SUFFIXES:
        return None
    is_named = parent.session.isinitpath(file_path) or file_path in _suites_on_command_line(parent.config)
    if not (is_named or parent.config.getini("suite_files")):
        return None
    from evolve.pytest_plugin.suites.collecting import SuiteFile, is_wanted

    if not is_wanted(file_path, parent.config, named=is_named):
        return None
    return SuiteFile.from_parent(parent, path=file_path, session_of_suites=_suites(parent.config))


def _suites_on_command_line(config: pytest.Config) -> frozenset[Path]:
    """Return the suites on the command line; pytest drops them if a folder that contains them is named too."""
    if _NAMED not in config.stash:
        words = (str(word).partition("::")[0] for word in config.args)
        folder = config.invocation_params.dir
        config.stash[_NAMED] = frozenset((folder / word).resolve() for word in words if word.endswith(_SUFFIXES))
    return config.stash[_NAMED]


def _suites(config: pytest.Config) -> "SuiteSession":
    from evolve.pytest_plugin.suites.session import SuiteSession

    if _SESSION not in config.stash:
        config.stash[_SESSION] = SuiteSession(config, config.stash.get(_FACTS, None))
    return config.stash[_SESSION]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> "Iterator[None]":
    """Ask ahead for the selected items while the loop runs, and stop when it ends, also after Ctrl-C."""
    suites = session.config.stash.get(_SESSION, None)
    if suites is not None:
        suites.begin(session)
    try:
        return (yield)
    finally:
        if suites is not None:
            suites.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the user should know about the store of answers, and about answers that were cut."""
    from evolve.pytest_plugin.suites.summary import cut_answers_line

    suites = config.stash.get(_SESSION, None)
    # With xdist the workers have the suites, and only their reports arrive here.
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for line in (suites.notice if suites is not None else "", cut_answers_line(reports)):
        if line:
            terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Announce the next items; a worker of pytest-xdist gets them in small portions."""
    suites = item.config.stash.get(_SESSION, None)
    if suites is not None:
        suites.look_ahead(nextitem)
