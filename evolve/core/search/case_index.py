"""The index of a run's cases: the text by which each is found, and the lookup that the labelled ones make."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.evaluation.agent_prompts import search_key
from evolve.core.model.agents import Agent, Render
from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.closed_answers import is_closed_set
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.lookup import SEARCH_DIGEST, Lookup, best_lookup
from evolve.core.search.tasks import Task


class _Labelled(NamedTuple):
    """The labelled train cases, as lookups learn them."""

    texts: tuple[str, ...]
    answers: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def is_closed_set(self) -> bool:
        return is_closed_set(self.answers)


class CaseIndex:
    """The cases of one agent, indexed once.

    Args:
        agent: gives the template of the case and the inputs.
        tasks: all cases of the run; only the labelled train cases teach the lookup.
        render: renders the template of a case.
        known: an earlier index of the same agent's cases; what has not changed is taken from it.
    """

    def __init__(self, agent: Agent, tasks: Sequence[Task], render: Render, known: "CaseIndex | None" = None) -> None:
        inputs = tuple(replace(i, digest_chars=SEARCH_DIGEST) if i.digest_chars else i for i in agent.inputs)
        # Lookups compare reports by a longer digest than the prompt shows.
        self._agent = replace(agent, inputs=inputs, demos=None)
        self._render = render
        # A task's id is made of its vars, so that equal ids have equal keys.
        earlier = known.keys if known else {}
        self.keys: Mapping[str, str] = {task.id: earlier.get(task.id) or self.key(task.vars) for task in tasks}
        self._labelled = _collect_labelled(tasks, self.keys)
        self.odds: LogOdds | None = None
        """The words of the labelled train cases; None where answers are not a closed set."""
        self.lookup: Lookup | None = None
        """What answers without any model; None where answers are not a closed set."""
        if known is not None and known._labelled == self._labelled:
            self.odds, self.lookup = known.odds, known.lookup
        elif self._labelled.is_closed_set:
            self.odds = LogOdds(self._labelled.texts, self._labelled.answers)
            self.lookup = best_lookup(*self._labelled)

    def key(self, vars: Mapping[str, JsonValue]) -> str:
        """Return the text by which a case with these vars is found."""
        return search_key(self._agent, vars, self._render)


def _collect_labelled(tasks: Sequence[Task], keys: Mapping[str, str]) -> _Labelled:
    labelled = [task for task in tasks if task.split == "train" and task.label is not None]
    answers = (json.dumps(task.label, ensure_ascii=False) for task in labelled)
    return _Labelled(tuple(keys[task.id] for task in labelled), tuple(answers), tuple(task.family for task in labelled))
