"""Reads and checks a failed job's report, and asks the reflection agent about it."""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from evolve.core.adaptation.reflection import Reflection, diagnostics_problems
from evolve.core.incidents.proposal import read_proposal
from evolve.core.model.actions import Action, NotAProposal
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, ExitCode, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_client import AgentClient
from evolve.store.agents import AGENTS_DIR
from evolve.system.disk_faults import reason_of

DEFAULT_AGENT = "REFLECTION_AGENT"
SCHEMA = "diagnostics.schema.json"
MAX_REPORT_BYTES = 8 * 1024 * 1024
"""A larger file is not a report; reading it would fill the memory before the agent sees a few kilobytes of it."""


class JobReport(NamedTuple):
    """One report as it was received: where it is, and its text."""

    where: Location
    text: str


class Outcome(NamedTuple):
    """What is printed for one report, and the exit code."""

    reflection: Reflection
    code: ExitCode


async def reflect(client: AgentClient, report: JobReport) -> Outcome:
    """Return the decision on one report; what is wrong with it, or with the endpoint, is part of the outcome."""
    try:
        diagnostics = read_diagnostics(report)
    except InputError as error:
        return _failure(client.agent, "", f"input: {error}", ExitCode.INPUT)
    job_id = str(diagnostics["job_id"])
    try:
        return Outcome(_decision(client.agent, job_id, await ask_about(client, diagnostics)), ExitCode.DONE)
    except EnvironmentFault as error:
        return _failure(client.agent, job_id, f"environment: {error}", ExitCode.ENVIRONMENT)
    except CannotEvaluate as error:
        return _failure(client.agent, job_id, str(error), ExitCode.DONE)


def read_diagnostics(report: JobReport) -> Mapping[str, JsonValue]:
    """Return the diagnostics of a report.

    Raises:
        InputError: every problem of a report that is not JSON or not diagnostics.
    """
    try:
        value = json.loads(report.text)
    except ValueError as error:
        raise InputError(Problem(f"not JSON: {error}", report.where)) from None
    except RecursionError:
        raise InputError(Problem("not JSON: nested too deeply", report.where)) from None
    problems = diagnostics_problems(value, _schema())
    if problems:
        raise InputError([Problem(message, report.where, f"see {SCHEMA}") for message in problems])
    diagnostics: Mapping[str, JsonValue] = value
    return diagnostics


def diagnostics_prompt(client: AgentClient, diagnostics: Mapping[str, JsonValue]) -> AgentPrompt:
    """Return the prompt that asks the agent about a report."""
    return client.prompt({"diagnostics": dict(diagnostics)})


async def ask_about(client: AgentClient, diagnostics: Mapping[str, JsonValue]) -> JsonValue:
    """Return the model's answer about a report, unchanged; raises as `AgentClient.ask` does."""
    answer = await client.ask(diagnostics_prompt(client, diagnostics))
    return answer.output


@cache
def _schema() -> Mapping[str, JsonValue]:
    schema: Mapping[str, JsonValue] = json.loads((AGENTS_DIR / SCHEMA).read_text(encoding="utf-8"))
    return schema


def _decision(agent: Agent, job_id: str, output: JsonValue) -> Reflection:
    found = read_proposal(output)
    if isinstance(found, NotAProposal):
        return Reflection(job_id, Action.ERROR, agent.title, no_action(output))
    return Reflection(job_id, found.action, agent.title, arguments=found.given())


def _failure(agent: Agent, job_id: str, error: str, code: ExitCode) -> Outcome:
    return Outcome(Reflection(job_id, Action.ERROR, agent.title, error), code)


def no_action(output: JsonValue) -> str:
    """Return why an answer that names no action is an error."""
    # The beginning is enough to recognise the answer; a model may repeat the whole report.
    found = read_proposal(output)
    reason = f" ({found.reason})" if isinstance(found, NotAProposal) else ""
    return f"the model's answer is no valid action: {json.dumps(output)[:200]}{reason}"


def read_report(name: str) -> JobReport:
    """Return the one report of a file; `-` is all of standard input.

    Raises:
        InputError: it cannot be read.
    """
    if name == "-":
        return JobReport(Location("<stdin>"), "".join(stdin_lines()))
    try:
        return JobReport(Location(name), _text(Path(name)))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot read: {reason_of(error)}", Location(name))) from None


def stdin_lines() -> Iterator[str]:
    """Return the lines of standard input; bytes that are not UTF-8 are replaced, because logs may contain any."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    return iter(sys.stdin)


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"larger than {MAX_REPORT_BYTES // 2**20} MiB")
    return path.read_text(encoding="utf-8")
