"""Which answer of an agent was wrong in an app that asked it on the way: the app's provider records the exchanges.

They are in the answer's `metadata.exchanges`, in order, each `{agent, vars, output}` and optionally `provider`, the id
of the model that answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evolve.core.cases.labels import answer_key
from evolve.core.model.json_value import JsonValue

FIELD = "exchanges"


@dataclass(frozen=True, slots=True)
class AppExchange:
    """What an app asked an agent, and its answer."""

    vars: Mapping[str, JsonValue] = field(repr=False)
    output: JsonValue = field(repr=False)
    provider: str


@dataclass(frozen=True, slots=True)
class Labels:
    """What the agent may answer, and what is right."""

    output_schema: Mapping[str, JsonValue]
    accepted: Sequence[JsonValue]
    forbidden: Sequence[JsonValue]

    def word(self, output: JsonValue) -> JsonValue:
        """Return the part of an answer that labels speak of."""
        key = answer_key(self.output_schema)
        return output.get(key) if key and isinstance(output, dict) else output

    def accept(self, output: JsonValue) -> bool:
        """Return whether an answer is right."""
        word = self.word(output)
        return (not self.accepted or word in self.accepted) and word not in self.forbidden


def wrong_exchange(metadata: Mapping[str, JsonValue], agent: str, labels: Labels) -> AppExchange | str:
    """Return the first exchange with the agent if its answer was wrong, else the reason why none is to blame.

    The labels are about the first answer only: what is right after it depends on what the app did with it.

    Args:
        metadata: of the app's answer.
        agent: its name.
        labels: of the test.
    """
    own = [one for one in _exchanges(metadata) if one.get("agent") == agent]
    if not own:
        return f"the app recorded no exchange with {agent}"
    if not labels.accepted and not labels.forbidden:
        return f"the test does not say which answers of {agent} are right: metadata.accepted"
    first = own[0]
    if labels.accept(first.get("output")):
        return f"the answer of {agent} was right, so its prompt is not at fault"
    given = first.get("vars")
    return AppExchange(given if isinstance(given, dict) else {}, first.get("output"), str(first.get("provider", "")))


def _exchanges(metadata: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    found = metadata.get(FIELD)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
