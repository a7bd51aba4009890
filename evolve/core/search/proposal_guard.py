"""Refuses a child that lost what its agent needs, or that knows single cases by heart, before a rollout is paid for.

A rewritten section that leaves out some of the answers makes the agent better on the others, as long as nobody asks for
what is missing. A case that is copied into the instructions helps with itself and with nothing new.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import Genome
from evolve.core.search.proposals import Refused, names
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count

COPIED_WORDS = 8
"""So many words in a row are a copy: error messages that are worth quoting are shorter, sentences are longer."""
SHORT_CASE_WORDS = 5
"""A case of so many words, or more, is copied when all of it is; shorter ones are words of the field."""
_READ_CHARS = 4000
"""Of a text of a case; the search shows a reflector less of it."""
_SHOWN_CHARS = 80
_WORD = re.compile(r"\w+")

_Words = tuple[str, ...]


def answers_of(schema: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return all texts that the enums and constants of an output schema allow, in their order."""
    return tuple(dict.fromkeys(_texts_allowed(dict(schema))))


def _texts_allowed(schema: JsonValue) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _texts_allowed(part)
    elif isinstance(schema, dict):
        listed = schema.get("enum")
        for value in (*(listed if isinstance(listed, list) else ()), schema.get("const")):
            if isinstance(value, str) and value:
                yield value
        for key, part in schema.items():
            if key not in ("enum", "const"):
                yield from _texts_allowed(part)


class ProposalGuard:
    """Checks the children of one run.

    Args:
        incumbent: the answers that it names, every child must name too.
        answers: those of the output schema's enums.
        tasks: the train cases; their text must not be copied.
        shown: a case as people and reflectors see it.
    """

    def __init__(
        self, incumbent: Genome, answers: Iterable[str], tasks: Iterable[Task], shown: Callable[[Task], str]
    ) -> None:
        self._named = tuple(answer for answer in answers if names(incumbent.instructions, answer))
        self._tasks, self._shown = tuple(tasks), shown
        self._known: frozenset[_Words] | None = None

    def check_answers(self, child: Genome) -> Refused | None:
        """Return the refusal of a child that no longer names all answers that the incumbent names."""
        text = child.instructions
        lost = [answer for answer in self._named if not names(text, answer)]
        if not lost:
            return None
        what = f"{count(len(lost), 'answer')} of the output: {', '.join(lost)}"
        return Refused("drops-answer", f"the instructions no longer name {what}; name every answer that they named")

    def check_copies(self, child: Genome, parent: Genome) -> Refused | None:
        """Return the refusal of a child whose new text has a passage of a single train case."""
        if self._known is None:
            self._known = frozenset(_passages(self._tasks, self._shown))
        old = set(_windows(_words_of(parent.instructions)))
        for window in _windows(_words_of(child.instructions)):
            if window in self._known and window not in old:
                passage = " ".join(window)[:_SHOWN_CHARS]
                advice = "say in general words what such cases have in common"
                return Refused("copy", f"the text copies a case ({passage!r}); {advice}")
        return None


def _words_of(text: str) -> _Words:
    return tuple(_WORD.findall(text[:_READ_CHARS].lower()))


def _windows(words: _Words) -> Iterator[_Words]:
    for size in range(SHORT_CASE_WORDS, COPIED_WORDS + 1):
        for start in range(len(words) - size + 1):
            yield words[start : start + size]


def _passages(tasks: Sequence[Task], shown: Callable[[Task], str]) -> Iterator[_Words]:
    """Yield the passages that only one family has: what several share is a message or the form of the case."""
    families: dict[_Words, str] = {}
    for task in tasks:
        for passage in _passages_of(task, shown):
            known = families.setdefault(passage, task.family)
            if known != task.family:
                families[passage] = ""
    yield from (passage for passage, family in families.items() if family)


def _passages_of(task: Task, shown: Callable[[Task], str]) -> Iterator[_Words]:
    texts = [value for value in task.vars.values() if isinstance(value, str)]
    # Of a structured var, such as a failed job's diagnostics, the prompt shows a text made of it.
    for text in texts if len(texts) == len(task.vars) else [shown(task)]:
        words = _words_of(text)
        if len(words) >= COPIED_WORDS:
            yield from (words[start : start + COPIED_WORDS] for start in range(len(words) - COPIED_WORDS + 1))
        elif len(words) >= SHORT_CASE_WORDS:
            yield words
