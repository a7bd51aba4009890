"""Names the services that a job depends on, as its own description declares them."""

from evolve.core.incidents.reading import fields, many, text
from evolve.core.model.incidents import JsonFields

DECLARED = "depends_on"
"""A job's Meta key: names of services, separated by commas."""


def dependencies_of(job: JsonFields) -> tuple[str, ...]:
    """Return the services that a job needs, sorted: upstreams of its mesh proxies, and what its Meta declares."""
    declared = {name.strip() for name in text(fields(job, "Meta"), DECLARED).split(",")}
    upstreams = {
        text(upstream, "DestinationName")
        for group in many(job, "TaskGroups")
        for service in many(group, "Services")
        for upstream in many(fields(fields(fields(service, "Connect"), "SidecarService"), "Proxy"), "Upstreams")
    }
    return tuple(sorted((declared | upstreams) - {""}))
