"""The table of commands."""

import importlib.util
from typing import Final

_MODULES: Final = {"adapt": "adaptation_manager", "lint-roles": "lint_roles", "supervise": "supervisor"}
"""Commands whose module has another name."""

COMMANDS: Final = {
    "init": "write an example to start from: an agent, its suite, and how to run them",
    "run": "run suites: every test against its providers",
    "check": "find every problem of suites without asking a model",
    "evolve": "improve the agent that failed: search for a better prompt, and compare it at the gate",
    "adapt": "turn a failed job's diagnostics into a failure case, and start the evolution",
    "cases": "failure cases: list, show, label, pin, waive, retire, import",
    "diff": "show what the winner of an evolution changes in its agent, and the evidence",
    "promote": "make the winner the agent's next version, with its evidence",
    "rollback": "undo the last promotion of an agent",
    "report": "print and write the report of an evolution again",
    "supervise": "watch a Nomad cluster: failed jobs are diagnosed, healed within a policy, and learnt from",
    "reflect": "name the action that heals a failed job: diagnostics in, JSON out",
    "provoke": "make a job of a demo cluster fail, for real, and put it back",
    "incidents": "show the failed jobs that a supervisor watches, and what it did",
    "approve": "approve the plan of an incident, exactly as it is shown",
    "reject": "reject the plan of an incident, and leave the job to people",
    "audit": "verify and show the audit log of a supervisor",
    "lint-roles": "find patterns in Ansible roles that break idempotency, with file:line and a fix for each",
    "model": "larger local models: list them, fetch one, measure one on this machine",
    "doctor": "show what Anneal can use on this machine, and what is missing",
    "completion": "print a script with which a shell completes commands and options",
}
"""Command: what it does."""


def commands() -> dict[str, str]:
    """Return the commands that are installed, with what they do."""
    return {name: text for name, text in COMMANDS.items() if importlib.util.find_spec(module_of(name))}


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    return f"evolve.cli.{_MODULES.get(command, command)}"
