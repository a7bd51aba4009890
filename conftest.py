"""The plug-ins that this repository's own tests use."""

from hypothesis import HealthCheck, settings

# A busy machine must not turn a slow example into a failure: time is measured in benchmarks, never in tests.
settings.register_profile("anneal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anneal")

pytest_plugins = ["pytester", "fixtures.faulty_server", "fixtures.opened_providers"]
