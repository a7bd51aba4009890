"""The plug-ins that this repository's own tests use."""

pytest_plugins = ["pytester", "fixtures.faulty_server", "fixtures.opened_providers"]
