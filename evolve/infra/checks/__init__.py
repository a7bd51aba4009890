"""What is proven about a role: a file for each check, with `CHECK` and `check(verification)`."""

import importlib
import pkgutil
from functools import cache

from evolve.core.model.role_checks import Check
from evolve.infra.verification.verification import CheckFunction


@cache
def all_checks() -> dict[Check, CheckFunction]:
    """Return the function of every check, in the order of `Check`."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found: dict[Check, CheckFunction] = {module.CHECK: module.check for module in modules if hasattr(module, "CHECK")}
    return {check: found[check] for check in Check if check in found}
