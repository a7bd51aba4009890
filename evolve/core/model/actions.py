"""Actions on failed jobs: the closed set, and the arguments of each as `actions.schema.json` describes them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from evolve.core.model.json_value import JsonValue


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
class Restart:
    """A fresh process; it has no arguments."""


@dataclass(frozen=True, slots=True)
class IncreaseMemory:
    """A larger memory limit."""

    memory_mb: int
    """The new limit in MiB."""


@dataclass(frozen=True, slots=True)
class FixImage:
    """Another image, which code chooses."""

    image: str
    """The faulty one."""


@dataclass(frozen=True, slots=True)
class FreePort:
    """Another place for our own job; a stranger's process is never ended."""

    port: int
    """The one that is taken."""


@dataclass(frozen=True, slots=True)
class FreeDisk:
    """Room in declared scratch paths."""

    path: str
    """What is full; absolute, without `..`."""


@dataclass(frozen=True, slots=True)
class FixConfig:
    """The configuration of an earlier version, or a declared remedy."""

    key: str
    """The setting or file at fault."""


@dataclass(frozen=True, slots=True)
class WaitDependency:
    """Patience until a dependency answers."""

    service: str
    """The service or host that does not answer."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """A person's decision."""

    reason: str


Arguments: TypeAlias = Restart | IncreaseMemory | FixImage | FreePort | FreeDisk | FixConfig | WaitDependency | Escalate

ARGUMENTS: dict[Action, type[Arguments]] = {
    Action.RESTART: Restart,
    Action.INCREASE_MEMORY: IncreaseMemory,
    Action.FIX_IMAGE: FixImage,
    Action.FREE_PORT: FreePort,
    Action.FREE_DISK: FreeDisk,
    Action.FIX_CONFIG: FixConfig,
    Action.WAIT_DEPENDENCY: WaitDependency,
    Action.ESCALATE: Escalate,
}
"""The type of each action's arguments."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model's valid answer."""

    action: Action
    arguments: Arguments | None
    """None where the agent gave none although the action has some: then code fills them in."""

    def given(self) -> dict[str, JsonValue]:
        """Return the arguments that the agent gave, by their names in the schema."""
        if self.arguments is None:
            return {}
        return {name: getattr(self.arguments, name) for name in type(self.arguments).__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class NotAProposal:
    """An answer that is none of the proposals; the action is `error`."""

    reason: str
