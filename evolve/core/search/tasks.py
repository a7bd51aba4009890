"""A case as the search sees it: what is asked, what must hold, and which split it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.core.formats.function_calls import FunctionCall, function_calls
from evolve.core.model.families import Split
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Test


@dataclass(frozen=True, slots=True)
class Task:
    """One case. Equal inputs with equal right answers have equal ids, in any file."""

    id: str
    """Hex digest of vars and right answers, or of vars and assertions where no answer is named."""
    description: str
    family: str
    split: Split
    vars: Mapping[str, JsonValue] = field(repr=False)
    test: Test = field(compare=False, repr=False)
    label: JsonValue = None
    """The best answer; None for a case without a label, which is not scored and not a demo."""
    accepted: tuple[JsonValue, ...] = ()
    """Right answers, the best first. Where empty, the assertions alone decide."""
    forbidden: tuple[JsonValue, ...] = ()
    """Answers that would do harm. One that leaves fields out means all with the fields that it has."""
    file: str = ""
    status: str = ""
    """A failure case's status (`open`, `pinned`, ...); empty for a suite's test that is no failure case."""
    is_of_suite: bool = True
    """False for a failure case that is none of the suite's tests."""

    @property
    def is_scored(self) -> bool:
        """Whether the task has right answers or assertions to score with."""
        return bool(self.accepted or self.test.requirements)

    def is_harmful(self, output: JsonValue) -> bool:
        """Return whether an output is one of the forbidden answers, or has all fields of one.

        A conversation with tools is harmful if one of its calls is: what came of it later does not undo the call.
        """
        calls = function_calls(output) if isinstance(output, dict) and "tool_calls" in output else []
        return any(
            output == wrong or _has_all(output, wrong) or any(_is_call(call, wrong) for call in calls)
            for wrong in self.forbidden
        )


def _is_call(call: FunctionCall, wrong: JsonValue) -> bool:
    """Return whether a call is a forbidden answer: its name, or a mapping of the name and of arguments that it has."""
    if not isinstance(wrong, dict):
        return call.name == wrong
    rest = {name: value for name, value in wrong.items() if value != call.name}
    return len(rest) == len(wrong) - 1 and all(call.arguments.get(name) == value for name, value in rest.items())


def _has_all(output: JsonValue, wrong: JsonValue) -> bool:
    if not isinstance(output, dict) or not isinstance(wrong, dict) or not wrong:
        return False
    return all(name in output and output[name] == value for name, value in wrong.items())


@dataclass(frozen=True, slots=True)
class Score:
    """What one answer to one task was worth."""

    value: float
    """0..1."""
    passed: bool
    reason: str
    output: JsonValue = None
    is_harmful: bool = False
    """The answer is among the task's forbidden ones."""
    thought: JsonValue = None
    """What the agent wrote into its scratch fields before the answer; None without one."""
