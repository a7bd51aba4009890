"""`free_port`: our own job moves to another node. The process that has the port is never touched."""

import re

from evolve.core.healing.actions._changes import Editable, failed_group, with_changes
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.actions._words import report_names
from evolve.core.healing.placement import not_placed
from evolve.core.incidents.reading import many, number
from evolve.core.model.actions import Action, FreePort
from evolve.core.model.healing import PlanContext, PlannedAction, Refused
from evolve.core.model.incidents import JsonFields

_IN_USE = re.compile(r"address (?:is )?already in use|EADDRINUSE|port (?:\d+ )?is (?:already )?(?:taken|in use)", re.I)


@plan_of(Action.FREE_PORT)
def free_port(context: PlanContext) -> PlannedAction | Refused:
    """Return the job with a constraint of its group against the node on which the port is taken."""
    node = context.failed.node
    if not context.failed.key.allocation:
        return not_placed("Nomad places it as soon as a node has the port free")
    group = failed_group(context)
    if group is None or not node:
        return Refused("not known: the group that failed, or its node")
    present = group.find(context.job)
    if not _is_plausible(context, present):
        return Refused("not allowed: neither the job nor the report names the port that the agent names")
    constraint = {"LTarget": "${node.unique.name}", "Operand": "!=", "RTarget": node}
    if any(_is_same(one, constraint) for one in many(present, "Constraints")):
        return Refused(f"already done: the group no longer runs on {node}")
    if context.other_nodes < 1:
        return Refused("placement: there is no other node, and the process that has the port is not ours to end")
    names = [f"Constraint.{name}" for name in constraint]
    return with_changes(context, group, lambda part: _add(part, constraint), names)


def _add(group: Editable, constraint: dict[str, str]) -> None:
    group["Constraints"] = [*(group.get("Constraints") or []), constraint]


def _is_same(one: JsonFields, constraint: dict[str, str]) -> bool:
    return all(one.get(name) == value for name, value in constraint.items())


def _is_plausible(context: PlanContext, group: JsonFields) -> bool:
    """Whether the port is the job's own, or one that the report names."""
    given = context.proposal.arguments
    ports = _static_ports(group)
    if isinstance(given, FreePort):
        return given.port in ports or report_names(context.failed, str(given.port))
    evidence = context.failed.evidence
    return bool(ports) or _IN_USE.search(f"{evidence.logs.stderr}\n{evidence.logs.stdout}") is not None


def _static_ports(group: JsonFields) -> set[int]:
    networks = [*many(group, "Networks"), *(network for task in many(group, "Tasks") for network in _of_task(task))]
    return {number(port, "Value") for network in networks for port in many(network, "ReservedPorts")}


def _of_task(task: JsonFields) -> list[JsonFields]:
    resources = task.get("Resources")
    return many(resources, "Networks") if isinstance(resources, dict) else []
