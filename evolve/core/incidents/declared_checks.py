"""Who has the results of the checks that a job declares."""

from collections.abc import Iterator

from evolve.core.incidents.reading import many, text
from evolve.core.model.incidents import JsonFields

CONSUL, NOMAD = "consul", "nomad"


def check_providers(job: JsonFields) -> frozenset[str]:
    """Return the providers of the services that have checks: `consul`, which is Nomad's default, and `nomad`."""
    return frozenset(text(service, "Provider") or CONSUL for service in _services(job) if many(service, "Checks"))


def _services(job: JsonFields) -> Iterator[JsonFields]:
    for group in many(job, "TaskGroups"):
        yield from many(group, "Services")
        for task in many(group, "Tasks"):
            yield from many(task, "Services")
