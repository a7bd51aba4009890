"""The prompt of an agent: its sections, the demos that are chosen for a case, and the case.

Static text comes first, the nearest demos next, the case last: a server's prefix cache keeps the unchanged beginning.
"""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

from evolve.core.evaluation.copying import copied_from
from evolve.core.evaluation.scratch import more_tokens, scratch_line, scratch_schema
from evolve.core.model.agents import CASE_SECTION, Agent, AgentPrompt, Demo, DemoSettings, Render
from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.closed_answers import closed_parts
from evolve.core.retrieval.nearest import Bm25
from evolve.core.retrieval.word_classifier import WordClassifier
from evolve.core.text.diagnostics import digest


def render_agent(
    agent: Agent,
    vars: Mapping[str, JsonValue],
    bank: "DemoBank | None",
    render: Render,
    *,
    leave_family_out: bool = False,
    family: str = "",
) -> AgentPrompt:
    """Return the prompt for one case.

    Args:
        vars: the case's variables, by input name.
        bank: None for an agent without demos.
        render: renders the template of a case.
        leave_family_out: show no demo of the case's own family, if the bank holds the case. Then a suite whose cases
            became demos still measures the agent on new cases.
        family: the family of which no demo is shown; empty if it is not known.
    """
    case = render_case(agent, vars, render)
    demos: Sequence[tuple[str, str]] = ()
    if bank:
        left_out = family or (bank.family_of(case) if leave_family_out else "")
        demos = bank.choose(search_key(agent, vars, render), left_out)
    parts = [f"{s.title}:\n{s.body}" for s in agent.sections if s.title != CASE_SECTION and s.body]
    static = "\n\n".join([*parts, *([scratch_line(agent.scratch)] if agent.scratch else [])])
    if agent.demos and agent.demos.style == "text":
        examples = "\n\n".join(f"{text}\nAnswer: {answer}" for text, answer in demos)
        turns = [("user", f"{examples}\n\n{case}\nAnswer:")]
    else:
        turns = [turn for text, answer in demos for turn in (("user", text), ("assistant", answer))] + [("user", case)]
    messages = [("system", static), *turns]
    return AgentPrompt(tuple({"role": role, "content": text} for role, text in messages), _call_config(agent, case))


def render_case(agent: Agent, vars: Mapping[str, JsonValue], render: Render) -> str:
    """Return the case as the prompt shows it."""
    return render(agent.section(CASE_SECTION), digest_vars(agent, vars)).strip()


def search_key(agent: Agent, vars: Mapping[str, JsonValue], render: Render) -> str:
    """Return the text by which a case's demos are chosen: the case with digests as long as `demos.digest`."""
    chars = agent.demos.digest if agent.demos else None
    return render(agent.section(CASE_SECTION), digest_vars(agent, vars, chars)).strip()


def digest_vars(agent: Agent, vars: Mapping[str, JsonValue], digest_chars: int | None = None) -> dict[str, JsonValue]:
    """Return the vars as the prompt shows them: diagnostics as a digest, all others unchanged.

    Args:
        digest_chars: the digests' length; None for the inputs' own.
    """
    shown = dict(vars)
    for item in agent.inputs:
        value = vars.get(item.name)
        if item.digest_chars and isinstance(value, Mapping):
            shown[item.name] = digest(value, digest_chars or item.digest_chars, item.show)
    return shown


class DemoBank:
    """The demos of one agent, rendered and indexed once."""

    def __init__(self, agent: Agent, settings: DemoSettings, demos: Sequence[Demo], render: Render) -> None:
        self._settings = settings
        self._texts = [render_case(agent, demo.vars, render) for demo in demos]
        self._answers = [json.dumps(demo.output, ensure_ascii=False) for demo in demos]
        self._families = [demo.family for demo in demos]
        keys = [search_key(agent, demo.vars, render) if demo.key is None else demo.key for demo in demos]
        self._index = Bm25(keys) if settings.select != "static" else None
        is_likely = settings.select == "likely"
        self._parts = closed_parts([demo.output for demo in demos]) if is_likely else []
        """The classifier groups demos by these: for an action with arguments, the action."""
        self._classifier = WordClassifier(keys, self._parts, self._families) if is_likely else None

    def with_k(self, k: int) -> "DemoBank":
        """Return the same bank with `k` demos shown; the indexes are shared."""
        other = copy(self)
        other._settings = replace(self._settings, k=k)
        return other

    def family_of(self, case: str) -> str:
        """Return the family of the demo that shows exactly this case; empty if there is none."""
        return self._families[self._texts.index(case)] if case in self._texts else ""

    def choose(self, key: str, family: str = "") -> tuple[tuple[str, str], ...]:
        """Return (shown case, answer) of the demos for a search key, the most similar last; none of `family`."""
        allowed = [i for i, own in enumerate(self._families) if not family or own != family]
        if self._classifier is not None:
            answers = [item.answer for item in self._classifier.likely(key, family)]
            best = next((answer for answer in answers if any(self._parts[i] == answer for i in allowed)), "")
            allowed = [i for i in allowed if self._parts[i] == best]
        if self._index is not None:
            scores = self._index.scores(key)
            allowed = sorted(allowed, key=lambda i: (-scores[i], i))[: self._settings.k][::-1]
        return tuple((self._texts[i], self._answers[i]) for i in allowed[: self._settings.k])


def _call_config(agent: Agent, case: str) -> dict[str, JsonValue]:
    output = copied_from(agent.output, agent.copy, case) if agent.copy else agent.output
    schema: JsonValue = scratch_schema(output, agent.scratch) if agent.scratch else dict(output)
    # Some endpoints refuse a strict schema with a maxLength, which bounds a scratch field.
    form: JsonValue = {"name": agent.name.lower(), "strict": not agent.scratch, "schema": schema}
    constraint: JsonValue = {"type": "json_schema", "json_schema": form}
    return {**more_tokens(agent.sampling, agent.scratch), "response_format": constraint}
