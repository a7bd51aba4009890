"""One finding of `evolve doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the report."""

    name: str
    state: str
    """`ok`, `missing` (something will not work) or `absent` (optional, and not installed)."""
    detail: str

    def __str__(self) -> str:
        return f"{self.state:8}{self.name}: {self.detail}"
