"""Versions of a demo job with a fault: each takes a job as Nomad keeps it, and returns the next version."""

import copy
from typing import Any

from evolve.cluster.demo.jobs import settings_of
from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.fields import JsonObject

FAULT_META = "anneal_demo_fault"
"""The Meta key of a version with a fault; its value is the kind."""
TOO_MUCH_MB = 100_000_000


def crashing(spec: JsonObject) -> JsonObject:
    """Return a version whose program cannot be imported: it ends at once."""
    changed, task = _version(spec, "crash")
    task["Config"]["args"] = ["-I", "-m", "demo_shop_v2"]
    return changed


def without_program(spec: JsonObject) -> JsonObject:
    """Return a version that names a program which is not there."""
    changed, task = _version(spec, "image")
    task["Config"]["command"] = "/opt/anneal-demo/2.0/bin/serve"
    return changed


def misconfigured(spec: JsonObject, demo: DemoCluster) -> JsonObject:
    """Return a version with a setting that the program refuses."""
    changed, task = _version(spec, "config")
    task["Templates"][0]["EmbeddedTmpl"] = settings_of(demo, str(spec["ID"]), workers="many")
    return changed


def too_large(spec: JsonObject) -> JsonObject:
    """Return a version that asks for more memory than any node has."""
    changed, task = _version(spec, "unplaceable")
    task["Resources"]["MemoryMB"] = TOO_MUCH_MB
    return changed


def with_meta(spec: JsonObject, name: str, value: str) -> JsonObject:
    """Return the job with one more Meta key; Nomad starts a failed job again only where a field changed."""
    changed: Any = copy.deepcopy(dict(spec))
    changed["Meta"] = {**(changed.get("Meta") or {}), name: value}
    return changed  # type: ignore[no-any-return]


def _version(spec: JsonObject, kind: str) -> tuple[JsonObject, Any]:
    """A copy that names its fault, and the copy's one task."""
    changed: Any = with_meta(spec, FAULT_META, kind)
    return changed, changed["TaskGroups"][0]["Tasks"][0]
