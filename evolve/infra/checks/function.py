"""Function: the role's tests use the service."""

from typing import Final

from evolve.core.model.role_checks import Check
from evolve.infra.verification.role_tests import run_tests
from evolve.infra.verification.verification import CheckReport, Verification

CHECK: Final = Check.FUNCTION


def check(verification: Verification) -> CheckReport:
    """Report every test of the role that fails; without tests nothing is checked."""
    hosts = verification.converged.hosts
    if verification.tests is None:
        verification.tests = run_tests(verification.scenario, hosts)
    return verification.tests
