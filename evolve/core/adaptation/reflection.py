"""What the reflection agent decides, as a line of JSON, and the check of the diagnostics that it reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.core.formats.schema_check import Kind, Path, compile_schema
from evolve.core.formats.yaml12 import path_text
from evolve.core.model.actions import Action
from evolve.core.model.json_value import JsonValue
from evolve.core.text.visible import as_utf8


@dataclass(frozen=True, slots=True)
class Reflection:
    """The decision about one failed job."""

    job_id: str
    action: Action
    agent: str
    """Name and version of the agent that answered."""
    error: str = ""
    """Why the action is `error`."""
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the agent gave with the action."""

    def line(self) -> str:
        """Return the decision as one line of JSON."""
        fields: dict[str, JsonValue] = {"job_id": self.job_id, "action": str(self.action), "agent": self.agent}
        if self.arguments:
            fields["arguments"] = dict(self.arguments)
        if self.error:
            fields["error"] = self.error
        return as_utf8(json.dumps(fields, ensure_ascii=False))


def diagnostics_problems(diagnostics: JsonValue, schema: Mapping[str, JsonValue]) -> list[str]:
    """Return every problem of a report against the diagnostics schema; empty when it is valid."""
    problems: list[str] = []

    def _report(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:  # noqa: ARG001 - the port's name
        where = path_text(path)
        problems.append(f"{where + ': ' if where else ''}{message}{f' ({hint})' if hint else ''}")

    compile_schema(schema)(diagnostics, (), _report)
    return problems
