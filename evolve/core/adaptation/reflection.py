"""The reflection agent's vocabulary: its actions, the check of diagnostics, and how an answer is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.formats.json_text import json_or
from evolve.core.formats.schema_check import Kind, Path, compile_schema
from evolve.core.formats.yaml12 import path_text
from evolve.core.model.json_value import JsonValue
from evolve.core.text.visible import as_utf8


class Action(StrEnum):
    """What to do about a failed job. A model may answer all but the last two, which only code sets."""

    RESTART = "restart"
    INCREASE_MEMORY = "increase_memory"
    FIX_IMAGE = "fix_image"
    FREE_PORT = "free_port"
    FREE_DISK = "free_disk"
    FIX_CONFIG = "fix_config"
    WAIT_DEPENDENCY = "wait_dependency"
    ESCALATE = "escalate"
    ERROR = "error"
    """No valid answer."""
    NONE = "none"
    """Nothing is wrong, or the job is not managed here."""


MODEL_ACTIONS = frozenset(Action) - {Action.ERROR, Action.NONE}
"""The closed set that a model chooses from."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """The decision about one failed job."""

    job_id: str
    action: Action
    agent: str
    """Name and version of the agent that answered."""
    error: str = ""
    """Why the action is `error`."""

    def line(self) -> str:
        """Return the decision as one line of JSON."""
        fields = {"job_id": self.job_id, "action": str(self.action), "agent": self.agent}
        return as_utf8(json.dumps({**fields, "error": self.error} if self.error else fields, ensure_ascii=False))


def diagnostics_problems(diagnostics: JsonValue, schema: Mapping[str, JsonValue]) -> list[str]:
    """Return every problem of a report against the diagnostics schema; empty when it is valid."""
    problems: list[str] = []

    def _report(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:  # noqa: ARG001 - the port's name
        where = path_text(path)
        problems.append(f"{where + ': ' if where else ''}{message}{f' ({hint})' if hint else ''}")

    compile_schema(schema)(diagnostics, (), _report)
    return problems


def read_action(output: JsonValue) -> Action | None:
    """Return the action in a model's answer, which must be one JSON object; None when it is anything else."""
    answer = json_or(output, None) if isinstance(output, str) else output
    action = answer.get("action") if isinstance(answer, dict) else None
    return Action(action) if isinstance(action, str) and action in MODEL_ACTIONS else None
