"""Asks the agent what to do about a failure. What it is shown is redacted first; what it answers is checked."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from evolve.adaptation.reflection_agent import diagnostics_prompt
from evolve.core.cases.capture import find_known_ids
from evolve.core.cases.redaction import Redactor
from evolve.core.healing.redacted import redact_text
from evolve.core.incidents.grounding import grounded
from evolve.core.incidents.proposal import read_proposal, response_format
from evolve.core.model.actions import NotAProposal, Proposal
from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_client import AgentClient
from evolve.store.agent_files import agent_text


@dataclass(frozen=True, slots=True)
class Proposed:
    """What an agent answered, and what it was asked."""

    found: Proposal | NotAProposal
    answer: JsonValue = ""
    """Redacted."""
    not_in_report: tuple[str, ...] = ()
    """Names of arguments that the agent gave and the report does not name; they are not used."""
    model: str = ""
    prompt_version: str = ""
    """A digest of the agent's text."""
    input_hash: str = ""
    """A digest of the prompt."""
    latency_s: float = 0.0


class Proposer(Protocol):
    """Somebody who says what to do about a failed job."""

    async def propose(self, diagnostics: Mapping[str, JsonValue]) -> Proposed:
        """Return the answer about redacted diagnostics.

        Raises:
            EnvironmentFault: the endpoint failed, which says nothing about the job.
            CannotEvaluate: the user's own provider code failed.
        """
        ...


class AgentProposer:
    """Asks an agent of a file. An invalid answer is asked once more with a grammar where the first call had none.

    Arguments that the report does not name are left out: then code fills them in.
    """

    def __init__(self, client: AgentClient, redactor: Redactor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._redactor, self._clock = client, redactor, clock

    async def propose(self, diagnostics: Mapping[str, JsonValue]) -> Proposed:
        """Return the agent's answer; see `Proposer.propose`."""
        prompt = diagnostics_prompt(self._client, diagnostics)
        began = self._clock()
        output = (await self._client.ask(prompt)).output
        found = read_proposal(output)
        if isinstance(found, NotAProposal) and "response_format" not in prompt.config:
            stricter = replace(prompt, config={**prompt.config, "response_format": response_format()})
            output = (await self._client.ask(stricter)).output
            found = read_proposal(output)
        kept = grounded(found, diagnostics) if isinstance(found, Proposal) else found
        return Proposed(
            kept,
            self._redacted(output, diagnostics),
            not_in_report=_lost(found, kept),
            model=self._client.provider_id,
            prompt_version=_digest(agent_text(self._client.agent)),
            input_hash=_digest(prompt.text),
            latency_s=self._clock() - began,
        )

    def _redacted(self, output: JsonValue, diagnostics: Mapping[str, JsonValue]) -> JsonValue:
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        # A model may repeat the whole report.
        return redact_text(text, self._redactor.with_ids(find_known_ids(dict(diagnostics))))[:2000]


def redact_diagnostics(diagnostics: Mapping[str, JsonValue], redactor: Redactor) -> Mapping[str, JsonValue]:
    """Return diagnostics without secrets, with the failure's own ids kept.

    Raises:
        CannotRedact: they could not be searched; then no model may see them.
    """
    shown = redactor.with_ids(find_known_ids(dict(diagnostics))).redact(dict(diagnostics))
    assert isinstance(shown, dict)
    return shown


def _lost(found: Proposal | NotAProposal, kept: Proposal | NotAProposal) -> tuple[str, ...]:
    if isinstance(found, NotAProposal) or isinstance(kept, NotAProposal):
        return ()
    return tuple(name for name in found.given() if name not in kept.given())


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
