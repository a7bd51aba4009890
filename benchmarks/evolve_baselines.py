"""What every method of `evolve_embedded.py` works with, and the two that search nothing: the ancestor and the vote."""

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from evolve_meter import Channel, Meter
from evolve_splits import Case, Splits

from evolve.core.agents import Agent, render_agent, shown_case
from evolve.core.errors import CannotEvaluate, InputError, Problem
from evolve.core.json_value import JsonValue
from evolve.core.reflection import read_action
from evolve.core.search.lookup import best_lookup
from evolve.core.templating.templates import Templates

RENDER = Templates("strict").render


@dataclass(frozen=True, slots=True)
class Bench:
    """One method's place: the cases, the ancestor, and the model with this method's channels."""

    splits: Splits
    sample: tuple[Case, ...]
    """Cases of val that optimizers compare candidates on; all of val would eat the budget."""
    agent: Agent
    """The plain ancestor, where every search begins."""
    agent_file: Path
    suite: Path
    """The suite without the held-out families."""
    meter: Meter
    search: Channel
    """Limited to the budget."""
    reflection: Channel
    """Calls that write prompts; counted, not limited by the budget."""
    held_out: Channel
    """Calls that judge the result."""
    folder: Path
    """Where the method may write."""
    seed: int

    def shown(self, case: Case) -> str:
        """The case as the ancestor's prompt shows it; the same text for every method."""
        return shown_case(self.agent, case.vars, RENDER)

    def ask(self, channel: Channel, instructions: str, case: Case) -> str | None:
        """The action that the model names under these instructions; None when it names none.

        Raises:
            BudgetSpent: the channel's limit is reached.
            EnvironmentFault: the model failed.
        """
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": self.shown(case)}]
        return self.read(channel, messages, self.settings)

    def read(self, channel: Channel, messages: list[dict[str, str]], settings: Mapping[str, JsonValue]) -> str | None:
        """The action in the model's answer to these messages; None for none, or a prompt that does not fit."""
        try:
            action = read_action(self.meter.ask(channel, messages, settings))
        except CannotEvaluate:
            return None
        return None if action is None else str(action)

    @property
    def instructions(self) -> str:
        """The ancestor's system message."""
        return render_agent(self.agent, {"diagnostics": {}}, None, RENDER).messages[0]["content"]

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """The ancestor's sampling, and the JSON Schema that constrains its answers."""
        return render_agent(self.agent, {"diagnostics": {}}, None, RENDER).config

    @property
    def actions(self) -> tuple[str, ...]:
        """The answers there are, as the ancestor's schema lists them."""
        properties = self.agent.output["properties"]
        assert isinstance(properties, dict)
        action = properties["action"]
        assert isinstance(action, dict)
        names = action["enum"]
        assert isinstance(names, list)
        return tuple(str(name) for name in names)


@dataclass(frozen=True, slots=True)
class Found:
    """What a method came up with."""

    answer: Callable[[Case], str | None]
    """Its answer to a held-out case, bought from the channel `held_out`."""
    text: str
    """The prompt, for people."""
    note: str = ""
    """What a reader of the numbers should know."""


def ancestor(bench: Bench) -> Found:
    """The plain ancestor as it is."""
    text = bench.instructions
    return Found(lambda case: bench.ask(bench.held_out, text, case), text)


def vote(bench: Bench) -> Found:
    """The better of the two lookups over the train cases; no model is asked."""
    bank = bench.splits.train
    texts, labels = [bench.shown(case) for case in bank], [case.label for case in bank]
    lookup = best_lookup(texts, labels, [case.family for case in bank])
    return Found(
        lambda case: lookup(bench.shown(case), ""), f"{len(bank)} labelled cases", lookup.__qualname__.partition(".")[0]
    )


def optional(name: str) -> ModuleType:
    """The library of that name; raises InputError with what to type when it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        problem = Problem(f"the method {name!r} needs the package {name!r}", None, f"pip install {name}")
        raise InputError(problem) from None


def as_json(value: JsonValue) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
