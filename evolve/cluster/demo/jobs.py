"""The three demo jobs, as Nomad takes them. Their policies are short, so that a fault shows within seconds."""

import sys
from pathlib import Path

from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.fields import JsonObject
from evolve.core.incidents.dependencies import DECLARED
from evolve.core.model.json_value import JsonValue

DEMO_META = "anneal_demo"
"""The Meta key by which a demo job is recognised; its value is the demo cluster's id."""
MARK = "ANNEAL_DEMO"
"""The environment variable that every process of a demo cluster has; its value is the owner."""

API, WEB, WORKER = "demo-api", "demo-web", "demo-worker"
JOBS = (API, WEB, WORKER)
"""In the order in which they are started: the worker needs the API."""
MEMORY_MB = 48
_SECOND = 1_000_000_000


def depends_on(job: str) -> str:
    """Return the service that a job needs; empty where it needs none."""
    return API if job == WORKER else ""


def settings_of(demo: DemoCluster, job: str, *, workers: str = "2") -> str:
    """Return the settings file of a job."""
    values = {"workers": workers, "backlog": str(demo.backlog(job)), "depends_on": depends_on(job)}
    if job == WORKER:
        values["scratch"] = str(demo.scratch)
    return "[service]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def job_spec(demo: DemoCluster, job: str) -> JsonObject:
    """Return a healthy version of a demo job."""
    meta: dict[str, JsonValue] = {DEMO_META: demo.id}
    if needed := depends_on(job):
        meta[DECLARED] = needed
    return {
        "ID": job,
        "Name": job,
        "Type": "service",
        "Datacenters": ["*"],
        "Meta": meta,
        "TaskGroups": [_group(demo, job)],
    }


def _group(demo: DemoCluster, job: str) -> JsonValue:
    return {
        "Name": "app",
        "Count": 1,
        "EphemeralDisk": {"SizeMB": 10},
        "Networks": [{"Mode": "host", "ReservedPorts": [{"Label": "http", "Value": demo.ports[job]}]}],
        "Services": [_service(job)],
        "Tasks": [_task(demo, job)],
        "RestartPolicy": {"Attempts": 1, "Interval": 60 * _SECOND, "Delay": _SECOND, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "Update": {
            "MaxParallel": 1,
            "HealthCheck": "checks",
            "MinHealthyTime": _SECOND // 2,
            "HealthyDeadline": 30 * _SECOND,
            "ProgressDeadline": 60 * _SECOND,
        },
    }


def _service(job: str) -> JsonValue:
    check: dict[str, JsonValue] = {
        "Name": "alive",
        "Type": "http",
        "Path": "/health",
        "Interval": _SECOND,
        "Timeout": _SECOND,
    }
    return {"Name": job, "PortLabel": "http", "Provider": "consul", "Checks": [check]}


def _task(demo: DemoCluster, job: str) -> JsonValue:
    program = str(Path(__file__).with_name("program.py"))
    template: dict[str, JsonValue] = {
        "DestPath": "local/settings.ini",
        "EmbeddedTmpl": settings_of(demo, job),
        "ChangeMode": "restart",
    }
    return {
        "Name": "main",
        "Driver": "raw_exec",
        # -I: the task must not import what lies in its folder or in its user's.
        "Config": {"command": sys.executable, "args": ["-I", program, "local/settings.ini"]},
        "Env": {"CONSUL_HTTP_ADDR": demo.consul, MARK: demo.owner},
        "Templates": [template],
        "Resources": {"CPU": 50, "MemoryMB": MEMORY_MB},
        "KillTimeout": _SECOND,
    }
