"""How a suite is read: one value for everything between a command and the loader."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from evolve.core.model.errors import Problem
from evolve.core.model.strictness import UndefinedNames, UnknownKeys
from evolve.core.model.suite import Suite
from evolve.store.scripts import LocalScripts

Inspect: TypeAlias = Callable[[Suite], Iterable[Problem]]
"""Returns problems of a suite beyond those of its files, such as providers that do not exist."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a suite and its files are read."""

    undefined: UndefinedNames = "typos"
    unknown_keys: UnknownKeys = "typos"
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that templates may see; the config's own `env` wins."""
    root: str | None = None
    """Nothing outside this folder is read; None uses `evolve.store.files.find_root`."""
    default_providers: tuple[str, ...] = ()
    """Ids for a suite that has none, such as a failure case."""
    scripts: LocalScripts = field(default_factory=LocalScripts)
    """Runs generators."""
    needs_prompts: bool = True
    """False for a suite whose prompts an agent replaces; it may have none."""
    inspect: Inspect | None = None
    """Gets what could be read, which is incomplete when there are problems."""
    may_fetch: bool = True
    """Whether tests and prompts at https addresses are read."""
    runs_hooks: bool = True
    """Whether the hook `beforeAll` of the suite's extensions is called, which may change the suite."""
