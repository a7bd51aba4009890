"""Nomad's `connect` block: what of it is refused, and what a job gets for it when it is registered.

Constraints, port and task are those of recording 40; the task of a job that names none is Envoy's, which was not
recorded. No node of the stand-in has the bridge that they need, so that such a job is planned and never placed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .shapes import Json, task_filled

CONSUL = {"LTarget": "${attr.consul.version}", "Operand": "semver", "RTarget": ">= 1.8.0"}
GRPC = {"LTarget": "${attr.consul.grpc}", "Operand": ">", "RTarget": "0"}
PLUGINS = ("bridge", "firewall", "host-local", "loopback", "portmap")
ENVOY: Json = {
    "Driver": "docker",
    "Config": {"image": "${meta.connect.sidecar_image}", "args": ["-c", "${NOMAD_SECRETS_DIR}/envoy_bootstrap.json"]},
    "Resources": {"CPU": 250, "MemoryMB": 128},
}


def connect_errors(job: Json) -> list[str]:
    """What of a job's sidecars is refused."""
    found = []
    for group, _ in _sidecars(job):
        mode = ((group.get("Networks") or [{}])[0].get("Mode") or "host").lower()
        if mode != "bridge" and not mode.startswith("cni/"):
            found.append(
                f'connect sidecar: invalid network mode for Consul Connect: group "{group["Name"]}" uses network mode '
                f'"{mode}"; must be "bridge" or "cni/*"'
            )
    return found


def with_sidecars(job: Json) -> Json:
    """The job, which is filled, with what its `connect` blocks need; doing it again changes nothing."""
    for group, service in _sidecars(job):
        name = f"connect-proxy-{service['Name']}"
        if name in [task["Name"] for task in group["Tasks"]]:
            continue
        needs = [{"LTarget": f"${{attr.plugins.cni.version.{one}}}", "Operand": "semver"} for one in PLUGINS]
        wanted = [CONSUL, *({**one, "RTarget": ">= 0.4.0"} for one in needs)]
        here = group["Constraints"] or []
        group["Constraints"] = [*here, *(one for one in wanted if one not in here)]
        port = {"HostNetwork": "default", "Label": name, "To": -1}
        network = group["Networks"][0]
        network["DynamicPorts"] = [*(network.get("DynamicPorts") or []), port]
        own = {**ENVOY, **(service["Connect"].get("SidecarTask") or {})}
        task = {**own, "Name": name, "Kind": f"connect-proxy:{service['Name']}", "Constraints": [CONSUL, GRPC]}
        task["Lifecycle"] = {"Hook": "prestart", "Sidecar": True}
        group["Tasks"] = [*group["Tasks"], task_filled(task, group["RestartPolicy"])]
    return job


def _sidecars(job: Json) -> Iterator[tuple[Any, Any]]:
    """Each group with a service of it that has a sidecar."""
    for group in job.get("TaskGroups") or []:
        for service in group.get("Services") or []:
            if (service.get("Connect") or {}).get("SidecarService") is not None:
                yield group, service
