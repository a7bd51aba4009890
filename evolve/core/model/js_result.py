"""What JavaScript returned, whichever engine ran it."""

from dataclasses import dataclass
from typing import Literal

from evolve.core.model.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class JsResult:
    """The result of code; `value` holds JSON values only."""

    kind: Literal["json", "undefined", "number", "bigint", "function"]
    """`number` is NaN or an infinity (value None): JSON cannot carry them. `function` is a function or a symbol."""
    value: JsonValue = None
    shown: str = ""
    """NaN, Infinity or -Infinity for `number`."""

    @property
    def type_name(self) -> str:
        """The result of `typeof`."""
        if self.kind != "json":
            return self.kind
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, str):
            return "string"
        return "number" if isinstance(self.value, int | float) else "object"
