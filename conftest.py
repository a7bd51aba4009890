"""The plug-ins that this repository's own tests use."""

import signal

from hypothesis import HealthCheck, settings

# A busy machine must not turn a slow example into a failure: time is measured in benchmarks, never in tests.
settings.register_profile("anneal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anneal")

pytest_plugins = ["pytester", "fixtures.faulty_server", "fixtures.hosts", "fixtures.opened_providers"]


def pytest_configure() -> None:
    """Lets the commands under test be interrupted, also where CI started pytest in the background.

    A shell makes background jobs ignore SIGINT, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
