"""A candidate's genome: what the search may change of an agent, and the agent that it makes.

The contract of an agent (name, inputs, output schema, model, the template of its case) is not part of it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise

from evolve.core.model.agents import CASE_SECTION, Agent, AgentInput, Demo, DemoSettings, Section
from evolve.core.model.json_value import JsonValue
from evolve.core.search.tasks import Task

RULES_SECTION = "Rules"
OWN_BANK = "own"
"""Among a genome's demo ids: all demos of the bank that the agent's file came with."""
_LATER_FIELDS = ("scratch", "taught")
_RULE = re.compile(r"^(?:\d+[.)]|[-*]) +", re.M)
"""The start of a list entry in Markdown, at the beginning of a line: `1. `, `1) `, `- `, `* `."""


@dataclass(frozen=True, slots=True)
class Genome:
    """What differs between candidates."""

    sections: tuple[Section, ...]
    """The instructions in their order, without rules and case."""
    rules: tuple[str, ...] = ()
    """One sentence each, the most important first."""
    demos: DemoSettings | None = None
    demo_ids: tuple[str, ...] | None = None
    """Ids of the tasks that are the bank, in their order, or OWN_BANK; None for every labelled train task."""
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    digest_chars: int | None = None
    """How many characters of a report the prompt shows; None where no input is a report."""
    scratch: tuple[str, ...] = ()
    """Fields that the agent writes before its answer."""
    taught: tuple[tuple[str, str], ...] = ()
    """(id of a train task, the agent's own whole answer as JSON text): demos that show it in place of the label."""

    @property
    def id(self) -> str:
        """Twelve hex digits (48 bits: no collision among a run's hundreds of genomes); equal genomes have equal ids."""
        fields = asdict(self)
        # Candidates of archives from before these fields existed keep their ids.
        for name in _LATER_FIELDS:
            if not fields[name]:
                del fields[name]
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def instructions(self) -> str:
        """All that the agent reads before a case: sections and rules."""
        return "\n".join([*(section.body for section in self.sections), *self.rules])


def genome_of(agent: Agent) -> Genome:
    """Return the genome of an agent file without its bank: every labelled train task is a demo."""
    digests = [item.digest_chars for item in agent.inputs if item.digest_chars]
    return Genome(
        sections=tuple(s for s in agent.sections if s.title not in (CASE_SECTION, RULES_SECTION)),
        rules=tuple(_rules(agent.section(RULES_SECTION))),
        demos=agent.demos,
        sampling=dict(agent.sampling),
        digest_chars=digests[0] if digests else None,
        scratch=agent.scratch,
    )


def incumbent_of(agent: Agent) -> Genome:
    """Return the genome of the current agent; it keeps the file's bank until an operator changes the demos."""
    genome = genome_of(agent)
    return replace(genome, demo_ids=(OWN_BANK,)) if genome.demos else genome


def agent_of(genome: Genome, base: Agent) -> Agent:
    """Return the agent that a genome makes: the contract of `base` with the genome's prompt."""
    rules = [Section(RULES_SECTION, number_rules(genome.rules))] if genome.rules else []
    case = [section for section in base.sections if section.title == CASE_SECTION]
    return replace(
        base,
        sections=(*genome.sections, *rules, *case),
        demos=genome.demos,
        sampling=dict(genome.sampling),
        inputs=tuple(_input_as_seen(item, genome.digest_chars) for item in base.inputs),
        scratch=genome.scratch,
    )


def demos_of(genome: Genome, tasks: Sequence[Task], own: Sequence[Demo] = ()) -> list[Demo]:
    """Return a genome's bank: a demo for each train task that it names, or the agent's own bank.

    A demo shows the task's label, or the agent's own answer where the genome has one.
    """
    if genome.demo_ids == (OWN_BANK,):
        return list(own)
    own_answers: dict[str, JsonValue] = {name: json.loads(answer) for name, answer in genome.taught}
    known = {t.id: t for t in tasks if t.split == "train" and (t.label is not None or t.id in own_answers)}
    chosen = known.values() if genome.demo_ids is None else [known[i] for i in genome.demo_ids if i in known]
    return [Demo(task.vars, own_answers.get(task.id, task.label), task.family) for task in chosen]


def number_rules(rules: Sequence[str]) -> str:
    """Return rules as the numbered list of an agent file."""
    return "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, 1))


def _rules(body: str) -> list[str]:
    """Return the entries of a list; text before the first one is a rule too."""
    starts = sorted({0, *(match.start() for match in _RULE.finditer(body))})
    parts = [body[start:end] for start, end in pairwise([*starts, len(body)])]
    return [rule for part in parts if (rule := " ".join(_RULE.sub("", part, count=1).split()))]


def _input_as_seen(item: AgentInput, digest_chars: int | None) -> AgentInput:
    return replace(item, digest_chars=digest_chars) if item.digest_chars and digest_chars else item
