"""The table of plans; the first use imports the files of this folder, which register them."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

from evolve.core.model.actions import Action
from evolve.core.model.healing import PlanContext, PlannedAction, Refused

Plan: TypeAlias = Callable[[PlanContext], PlannedAction | Refused]

_plans: dict[Action, Plan] = {}


def plan_of(action: Action) -> Callable[[Plan], Plan]:
    """Register the decorated function as the plan of an action."""

    def register(plan: Plan) -> Plan:
        _plans[action] = plan
        return plan

    return register


@cache
def known_plans() -> Mapping[Action, Plan]:
    """Return the plans of all actions."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(_plans)


def find_plan(action: Action) -> Plan | None:
    """Return the plan of an action; None where it has none, such as `error`."""
    return known_plans().get(action)
