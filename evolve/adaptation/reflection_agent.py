"""What is done with a failed job's report: it is read and checked, and the reflection agent is asked about it."""

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from evolve.core.adaptation.reflection import Action, Reflection, diagnostics_problems, read_action
from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, ExitCode, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, opened_provider
from evolve.store.agents import AGENTS_DIR, find_agent, load_agent, load_bank

DEFAULT_AGENT = "REFLECTION_AGENT"
SCHEMA = "diagnostics.schema.json"
MAX_REPORT_BYTES = 8 * 1024 * 1024


class Report(NamedTuple):
    """One report as it came in: where it stands, and its text."""

    where: Location
    text: str


class Outcome(NamedTuple):
    """What is printed for one report, and what the shell is told."""

    reflection: Reflection
    code: ExitCode


class ReflectionDesk:
    """Asks one agent about failed jobs."""

    def __init__(self, agent: Agent, bank: DemoBank | None, templates: Templates, provider: Provider) -> None:
        self.agent = agent
        self._bank, self._templates, self._provider = bank, templates, provider
        self._schema: Mapping[str, JsonValue] = json.loads((AGENTS_DIR / SCHEMA).read_text(encoding="utf-8"))

    async def reflect(self, report: Report) -> Outcome:
        """The decision on one report; what is wrong with it, or with the endpoint, is part of the outcome."""
        try:
            diagnostics = self.read(report)
        except InputError as error:
            return self._failed("", f"input: {error}", ExitCode.INPUT)
        job_id = str(diagnostics["job_id"])
        try:
            return Outcome(self._decision(job_id, await self.ask(diagnostics)), ExitCode.DONE)
        except EnvironmentFault as error:
            return self._failed(job_id, f"environment: {error}", ExitCode.ENVIRONMENT)
        except CannotEvaluate as error:
            return self._failed(job_id, str(error), ExitCode.DONE)

    def read(self, report: Report) -> Mapping[str, JsonValue]:
        """The report's diagnostics.

        Raises:
            InputError: it is no JSON or no diagnostics; with every problem.
        """
        try:
            value = json.loads(report.text)
        except ValueError as error:
            raise InputError(Problem(f"not JSON: {error}", report.where)) from None
        except RecursionError:
            raise InputError(Problem("not JSON: nested too deep", report.where)) from None
        problems = diagnostics_problems(value, self._schema)
        if problems:
            raise InputError([Problem(message, report.where, f"see {SCHEMA}") for message in problems])
        diagnostics: Mapping[str, JsonValue] = value
        return diagnostics

    def prompt(self, diagnostics: Mapping[str, JsonValue]) -> AgentPrompt:
        """What the agent is asked about a report."""
        return render_agent(self.agent, {"diagnostics": dict(diagnostics)}, self._bank, self._templates.render)

    async def ask(self, diagnostics: Mapping[str, JsonValue]) -> JsonValue:
        """The model's answer as it came.

        Raises:
            EnvironmentFault: the endpoint failed.
            CannotEvaluate: the user's own provider code failed.
        """
        prompt = self.prompt(diagnostics)
        answer = await self._provider.answer(Request(prompt.text, config=prompt.config, label=self.agent.title))
        return answer.output

    async def close(self) -> None:
        """Frees the provider."""
        await self._provider.close()

    def _decision(self, job_id: str, output: JsonValue) -> Reflection:
        action = read_action(output)
        if action is None:
            return Reflection(job_id, Action.ERROR, self.agent.title, no_action(output))
        return Reflection(job_id, action, self.agent.title)

    def _failed(self, job_id: str, error: str, code: ExitCode) -> Outcome:
        return Outcome(Reflection(job_id, Action.ERROR, self.agent.title, error), code)


def no_action(output: JsonValue) -> str:
    """Why an answer that names no action is an error."""
    return f"the model's answer is no valid action: {json.dumps(output)[:200]}"


def open_desk(agent: str, provider: str | None) -> ReflectionDesk:
    """The desk of an agent's name or file, and of a provider's id: else EVOLVE_PROVIDER's, else the agent's own.

    Raises:
        InputError: there is no such agent, or it or the provider is wrong.
        EnvironmentFault: the provider cannot be opened here.
    """
    path = find_agent(agent)
    loaded = load_agent(path)
    templates = Templates("strict")
    bank = load_bank(loaded, path, templates.render)
    return ReflectionDesk(
        loaded, bank, templates, opened_provider(provider_of(loaded, provider), Settings(), templates)
    )


def provider_of(agent: Agent, provider: str | None) -> str:
    """Who answers for an agent: who was named, else EVOLVE_PROVIDER's, else the agent's own model."""
    return provider or os.environ.get("EVOLVE_PROVIDER") or agent.model


def read_report(name: str) -> Report:
    """The one report of a file; `-` is all of standard input.

    Raises:
        InputError: it cannot be read.
    """
    if name == "-":
        return Report(Location("<stdin>"), "".join(stdin_lines()))
    try:
        return Report(Location(name), _text(Path(name)))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot read: {error}", Location(name))) from None


def stdin_lines() -> Iterator[str]:
    """The lines of standard input; bytes that are no UTF-8 are replaced, for logs hold any."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    return iter(sys.stdin)


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"larger than {MAX_REPORT_BYTES // 2**20} MiB")
    return path.read_text(encoding="utf-8")
