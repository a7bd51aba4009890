"""Asks the reflector to describe all answers again, each by cases that it is right for.

A rule helps with one cluster of failures. What a small model gets wrong is what an answer is for: it gives two or three
answers to most cases and others never. So this edit says it for all of them at once, from cases and not from names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.core.model.agents import Section
from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.operators._rules import answer_text, label_text
from evolve.core.search.proposals import Refused, check_section, section_limit
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count

_CASES = 3
"""Of each answer in the question: what several have in common is a kind, a single one is an example."""
_CASE_CHARS = 160
_LINE_CHARS = 160
"""Of one answer's line: one sentence with what sets the answer apart."""
_FEWEST = 3
"""Answers: two are told apart by a rule."""
_LINE = re.compile(r"^(?P<before>\s*(?:[-*]\s+)?[`*\"]*)(?P<name>[\w-]+)(?P<after>[`*\"]*\s*:\s*)(?P<text>.*)$")
"""`name: what it is for`, in a list or not, the name in quotes or not."""


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    number = _listing(situation)
    cases = _cases(situation)
    if number is None or not situation.failures or len(cases) < _FEWEST:
        return None
    section = situation.genome.sections[number]
    wish = (
        f"Rewrite the section '{section.title}' in at most {_most(situation, section)} characters: one line for each "
        f"answer, its name and a colon first, names as they are. Say in each line, in about {_LINE_CHARS} characters, "
        "for what kind of cases it is, so that those above and others like them are meant, and what sets them apart "
        "from the other answers. General words only."
    )
    asked = dict(inputs_for(situation, [], wish))
    shown = "\n".join(f"{name}: {' / '.join(texts)}" for name, texts in cases.items())
    return {**asked, "failures": f"Right answers, and cases that they are right for:\n{shown}"}


def _limit(situation: Situation) -> int:
    number = _listing(situation)
    return 0 if number is None else _most(situation, situation.genome.sections[number])


@reflecting_operator("describe", _ask, _limit, prior=(2.0, 1.0))
def describe(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child with new lines for the answers that the reflector described, or why they were refused."""
    number = _listing(situation)
    assert number is not None
    sections = situation.genome.sections
    old = sections[number]
    text = check_section(answer, old.body, situation.genome.instructions, _most(situation, old))
    if isinstance(text, Refused):
        return text
    new = {found["name"]: found["text"].strip() for found in map(_LINE.match, text.splitlines()) if found}
    known = {name: line for name, line in new.items() if name in situation.answers and line}
    body = "\n".join(_with(line, known) for line in old.body.splitlines())
    if body == old.body:
        return Refused("no-lines", "expected a line for each answer: its name, a colon, and for what cases it is")
    changed = (*sections[:number], Section(old.title, body), *sections[number + 1 :])
    described = count(len(known), "answer")
    return Proposal(replace(situation.genome, sections=changed), f"{described} described again by the reflector")


def _with(line: str, known: Mapping[str, str]) -> str:
    found = _LINE.match(line)
    if found is None or found["name"] not in known:
        return line
    return f"{found['before']}{found['name']}{found['after']}{known[found['name']]}"


def _listing(situation: Situation) -> int | None:
    """The section that has a line for each answer; None without one."""
    for number, section in enumerate(situation.genome.sections):
        named = {found["name"] for found in map(_LINE.match, section.body.splitlines()) if found}
        if len(situation.answers) >= _FEWEST and named.issuperset(situation.answers):
            return number
    return None


def _most(situation: Situation, section: Section) -> int:
    return max(section_limit(section.body), len(situation.answers) * _LINE_CHARS)


def _cases(situation: Situation) -> dict[str, list[str]]:
    """Up to three cases of each answer, those that the parent failed first, in the order of the answers."""
    failed = {task.id for task in situation.failures}
    by_answer: dict[str, list[Task]] = {}
    for task in situation.labelled:
        by_answer.setdefault(answer_text(label_text(task.label)), []).append(task)
    named = [name for name in situation.answers if name in by_answer]
    return {name: _shown(situation, by_answer[name], failed) for name in named}


def _shown(situation: Situation, tasks: Sequence[Task], failed: set[str]) -> list[str]:
    drawn = situation.rng.sample(list(tasks), min(_CASES, len(tasks)))
    first = sorted(drawn, key=lambda task: task.id not in failed)
    return [" ".join(situation.shown(task).split())[:_CASE_CHARS] for task in first]
