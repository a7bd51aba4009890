"""The faults that can be provoked, with what each does and what one should see."""

from dataclasses import dataclass

from evolve.cluster.demo.jobs import JOBS, WEB, WORKER
from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    kind: str
    does: str
    """What is done; `{job}` is replaced by the job's name."""
    see: str
    """What Nomad shows once it has given up."""
    heals: str
    """What heals it for good."""
    jobs: tuple[str, ...] = (WEB, *(job for job in JOBS if job != WEB))
    """Those it can be provoked in; the first is the default."""


FAULTS = (
    Fault(
        "crash",
        "registered a version of {job} whose program cannot be imported",
        "the task ends with exit code 1 and `No module named demo_shop_v2`",
        "going back to the version before",
    ),
    Fault(
        "config",
        "registered a version of {job} with the setting `workers = many`",
        "the task ends with exit code 1 and `expected a number, got 'many'`",
        "going back to the version before, or a right setting",
    ),
    Fault(
        "image",
        "registered a version of {job} that names a program which is not there",
        "Driver Failure: the program cannot be launched; Nomad does not restart it",
        "going back to the version before",
    ),
    Fault(
        "oom",
        "put 64 MB of work before {job}, which holds it in memory, and restarted the task",
        "the task is killed with exit code 137 and signal 9: its limit is 48 MB",
        "a limit of 96 MB; going back or a restart does not help",
        (WORKER, *(job for job in JOBS if job != WORKER)),
    ),
    Fault(
        "port",
        "took the port of {job} with another process while its task restarted",
        "the task ends with exit code 1 and `Address already in use`",
        "another port for the job, or the end of the process that holds it",
    ),
    Fault(
        "dependency",
        "stopped demo-api, which {job} needs",
        "the task ends with exit code 1: Consul has no instance of demo-api that passes",
        "demo-api running again, then a restart",
        (WORKER,),
    ),
    Fault(
        "disk",
        "filled the scratch folder of {job}, a disk of its own of 4 MB",
        "the task ends with exit code 1 and `No space left on device`",
        "deleting what is in the scratch folder, then a restart",
        (WORKER,),
    ),
    Fault(
        "segfault",
        "sent the task of {job} SIGSEGV as often as Nomad restarted it",
        "the task ends with exit code 139 and signal 11",
        "a restart: nothing is wrong with the job",
    ),
    Fault(
        "unplaceable",
        "registered a version of {job} that asks for 100 TB of memory",
        "no allocation; the evaluation is blocked, dimension `memory` exhausted. The version before runs on",
        "going back to the version before, or a person",
    ),
)


def fault_named(kind: str, job: str | None) -> tuple[Fault, str]:
    """Return the fault, and the job in which it is provoked.

    Raises:
        InputError: there is no such fault, or it cannot be provoked in that job.
    """
    fault = next((one for one in FAULTS if one.kind == kind), None)
    if fault is None:
        known = [one.kind for one in FAULTS]
        raise InputError(Problem(f"no fault {kind!r}; known: {', '.join(known)}", None, did_you_mean(kind, known)))
    chosen = job or fault.jobs[0]
    if chosen not in fault.jobs:
        text = f"{kind} can be provoked in {', '.join(fault.jobs)}, not in {chosen!r}"
        raise InputError(Problem(text, None, did_you_mean(chosen, fault.jobs)))
    return fault, chosen
