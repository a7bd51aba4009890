"""The two methods of `evolve_embedded.py` that search nothing, ancestor and vote, and what all methods share."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from evolve_bench import Bench
from evolve_splits import Case

from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.search.lookup import best_lookup


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
