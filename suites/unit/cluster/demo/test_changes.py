"""Versions of demo jobs with a fault: what differs from a healthy one, and nothing else."""

from pathlib import Path

import pytest

from evolve.cluster.demo import changes
from evolve.cluster.demo.jobs import DEMO_META, JOBS, job_spec
from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.standin.registering import errors

DEMO = DemoCluster(
    "id", "owner", "http://127.0.0.1:1", "http://127.0.0.1:2", dict.fromkeys(JOBS, 23000), True, Path("/demo")
)


def differences(one, other, at=""):
    """The places in which two specs differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        return [found for key in keys for found in differences(one.get(key), other.get(key), f"{at}.{key}".lstrip("."))]
    if isinstance(one, list) and isinstance(other, list) and one and isinstance(one[0], dict):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for number, pair in pairs for found in differences(*pair, f"{at}[{number}]")]
    return [] if one == other else [at]


TASK = "TaskGroups[0].Tasks[0]"


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("change", "place"),
    [
        (changes.crashing, f"{TASK}.Config.args"),
        (changes.without_program, f"{TASK}.Config.command"),
        (lambda spec: changes.misconfigured(spec, DEMO), f"{TASK}.Templates[0].EmbeddedTmpl"),
        (changes.too_large, f"{TASK}.Resources.MemoryMB"),
    ],
    ids=["crash", "image", "config", "unplaceable"],
)
def test_a_fault_changes_one_field_and_names_itself(job, change, place):
    healthy = job_spec(DEMO, job)
    faulty = change(healthy)
    assert differences(healthy, faulty) == [f"Meta.{changes.FAULT_META}", place]
    assert faulty["Meta"][DEMO_META] == "id"
    assert healthy == job_spec(DEMO, job)


@pytest.mark.parametrize("job", JOBS)
def test_a_demo_job_is_valid(job):
    assert errors(dict(job_spec(DEMO, job))) == []


def test_only_the_worker_needs_another_service():
    needing = {job: job_spec(DEMO, job)["Meta"].get("depends_on") for job in JOBS}
    assert needing == {"demo-api": None, "demo-web": None, "demo-worker": "demo-api"}
