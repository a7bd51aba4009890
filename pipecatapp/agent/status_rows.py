"""Rows of the table of components, from what Consul and Nomad answer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from evolve.cluster.consul.values import ServiceCheck
from evolve.cluster.nomad.cluster import NomadNode
from evolve.cluster.nomad.jobs import JobStub
from pipecatapp.core.activators import ACTIVATOR_PREFIX
from pipecatapp.wire.agent_events import RowState, StatusRow

_CHECKS: Final = {"passing": RowState.OK, "warning": RowState.WARNING, "critical": RowState.FAILED}
_NODES: Final = {
    "ready": RowState.OK,
    "initializing": RowState.STARTING,
    "disconnected": RowState.WARNING,
    "down": RowState.FAILED,
}
ACTIVATOR_STATES: Final = {
    "waking": RowState.STARTING,
    "retiring": RowState.STARTING,
    "down": RowState.FAILED,
    "awake": RowState.OK,
    "asleep": RowState.ASLEEP,
}
"""What an activator publishes as a tag of its service."""
_LONGEST: Final = 200
"""Characters of a detail."""


def row(component: str, state: RowState, detail: str = "", link: str = "", since: float | None = None) -> StatusRow:
    """Return a row.

    Args:
        component: its name.
        state: as it is now.
        detail: one line; cut where it is long.
        link: address of its own page.
        since: seconds since 1970; None where nobody knows.
    """
    line = " ".join(detail.split())
    return StatusRow(component, state, since, line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…", link)


def own_rows(
    started_at: float, model: str, endpoints: int, warnings: Sequence[str], problem: str = ""
) -> list[StatusRow]:
    """Return the rows of the agent itself and its model.

    Args:
        started_at: seconds since 1970.
        model: its name.
        endpoints: how many can be asked now.
        warnings: what somebody should look at.
        problem: why the model's last call reached nobody; empty when it did.
    """
    state = RowState.WARNING if warnings else RowState.OK
    is_there = RowState.OK if endpoints and not problem else RowState.FAILED
    return [
        row("agent", state, "; ".join(warnings) or "answers", since=started_at),
        row("model", is_there, problem or f"{model}, {endpoints} endpoint{'s' * (endpoints != 1)}"),
    ]


def service_rows(services: Mapping[str, Sequence[str]], checks: Iterable[ServiceCheck], link: str) -> list[StatusRow]:
    """Return a row for each service of Consul.

    A service is `ok` while one instance passes all its checks: then somebody answers.

    Args:
        services: tags by name.
        checks: of all services and nodes.
        link: address of Consul's pages; empty for none.
    """
    found: dict[str, dict[str, list[ServiceCheck]]] = {name: {} for name in services}
    for check in checks:
        if check.service_name in found:
            found[check.service_name].setdefault(check.service_id, []).append(check)
    return [
        _activator_row(name, services[name], link)
        if name.startswith(ACTIVATOR_PREFIX) and ACTIVATOR_STATES.keys() & set(services[name])
        else _service_row(name, list(found[name].values()), link)
        for name in sorted(found)
    ]


def _activator_row(name: str, tags: Sequence[str], link: str) -> StatusRow:
    """Several activators of one service may be in several states; the one that a person waits for counts."""
    word = next(word for word in ACTIVATOR_STATES if word in tags)
    service = name.removeprefix(ACTIVATOR_PREFIX)
    detail = f"{service} is asleep; the first request wakes it" if word == "asleep" else f"{service}: {word}"
    return row(name, ACTIVATOR_STATES[word], detail, _link_of(name, link))


def _link_of(name: str, link: str) -> str:
    return f"{link}/ui/dc1/services/{name}" if link else ""


def _service_row(name: str, instances: list[list[ServiceCheck]], link: str) -> StatusRow:
    where = _link_of(name, link)
    states = [_worst(checks) for checks in instances]
    if not states:
        return row(name, RowState.OK, "no checks", where)
    passing = states.count(RowState.OK)
    state = RowState.OK if passing else RowState.WARNING if RowState.WARNING in states else RowState.FAILED
    if passing == len(states):
        return row(name, state, f"{passing} passing", where)
    names = ", ".join(dict.fromkeys(one.name for checks in instances for one in checks if one.status != "passing"))
    return row(name, state, f"{passing} of {len(states)} passing; not: {names}", where)


def _worst(checks: Iterable[ServiceCheck]) -> RowState:
    states = {_CHECKS.get(one.status, RowState.UNKNOWN) for one in checks}
    order = (RowState.FAILED, RowState.UNKNOWN, RowState.WARNING, RowState.OK)
    return next(state for state in order if state in states)


def node_rows(nodes: Iterable[NomadNode], link: str) -> list[StatusRow]:
    """Return a row for each node of Nomad."""
    return [_node_row(one, link) for one in sorted(nodes, key=lambda one: one.name)]


def _node_row(node: NomadNode, link: str) -> StatusRow:
    state = _NODES.get(node.status, RowState.UNKNOWN)
    notes = [node.status]
    if node.is_draining:
        notes.append("draining")
    elif node.eligibility != "eligible":
        notes.append("takes no new jobs")
    if len(notes) > 1 and state is RowState.OK:
        state = RowState.WARNING
    return row(f"node {node.name}", state, ", ".join(notes), f"{link}/ui/clients/{node.id}" if link else "")


def job_rows(jobs: Iterable[JobStub], link: str) -> list[StatusRow]:
    """Return a row for each job of Nomad that runs or should run; not for what has ended or starts others."""
    shown = [one for one in jobs if not (one.is_stopped or one.is_periodic or one.is_parameterized or one.parent_id)]
    return [found for one in sorted(shown, key=lambda one: one.id) if (found := _job_row(one, link)) is not None]


def _job_row(job: JobStub, link: str) -> StatusRow | None:
    if job.status == "dead" and job.type in ("batch", "sysbatch"):
        return None
    states = {"running": RowState.OK, "pending": RowState.STARTING, "dead": RowState.FAILED}
    where = f"{link}/ui/jobs/{job.id}" if link else ""
    return row(f"job {job.id}", states.get(job.status, RowState.UNKNOWN), f"{job.type}, {job.status}", where)


class Sinces:
    """Since when each component is in its state, as far as it was watched."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[RowState, float | None]] = {}

    def dated(self, rows: Iterable[StatusRow], now: float) -> tuple[StatusRow, ...]:
        """Return the rows with their times.

        Args:
            rows: a time that a row has already stays.
            now: seconds since 1970.
        """
        found = tuple(self._dated(one, now) for one in rows)
        self._seen = {one.component: (one.state, one.since) for one in found}
        return found

    def _dated(self, one: StatusRow, now: float) -> StatusRow:
        if one.since is not None:
            return one
        state, since = self._seen.get(one.component, (one.state, None))
        return StatusRow(one.component, one.state, since if state is one.state else now, one.detail, one.link)
