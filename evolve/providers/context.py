"""What a provider gets of the world: the folder of its suite, environment, scripts, templates and settings."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Scripts
from evolve.system.cache_folder import cache_folder
from evolve.system.retry import RetryPolicy


class ValueRenderer(Protocol):
    """Fills templates; `evolve.core.templating.templates.Templates` is the one we use."""

    def render(self, text: str, variables: Mapping[str, JsonValue], /) -> str:
        """The text with its placeholders filled; raises CannotEvaluate."""
        ...

    def render_value(self, value: JsonValue, variables: Mapping[str, JsonValue], /) -> JsonValue:
        """The same for every string inside a list or mapping."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How patient providers are, and where they keep what they share. Clock, sleep and dice come in here."""

    deadline_s: float = 300.0
    """One answer with all its retries may take so long (EVOLVE_DEADLINE_S)."""
    attempt_s: float = 120.0
    """One try, from connecting to the last byte of the body (EVOLVE_ATTEMPT_S)."""
    max_retries: int = 4
    """EVOLVE_RETRIES; a provider's `maxRetries` overrides it."""
    first_pause_s: float = 0.5
    max_pause_s: float = 30.0
    idle_s: float = 300.0
    """The embedded server ends when nobody asked it for so long (EVOLVE_IDLE_S)."""
    cache_dir: Path = field(default_factory=lambda: cache_folder({}))
    """EVOLVE_CACHE_DIR, else XDG_CACHE_HOME/evolve, else ~/.cache/evolve."""
    unknown_keys: Literal["error", "warn"] = "error"
    """What an unknown key in a provider's config is; `warn` leaves it to the suite loader to say so."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random

    @staticmethod
    def from_environment(
        env: Mapping[str, str], *, unknown_keys: Literal["error", "warn"] = "error"
    ) -> "ProviderSettings":
        """The settings that EVOLVE_* variables make; raises InputError for those that are no numbers."""
        numbers = _numbers(env)
        return ProviderSettings(
            deadline_s=numbers.get("EVOLVE_DEADLINE_S", 300.0),
            attempt_s=numbers.get("EVOLVE_ATTEMPT_S", 120.0),
            max_retries=int(numbers.get("EVOLVE_RETRIES", 4)),
            idle_s=numbers.get("EVOLVE_IDLE_S", 300.0),
            cache_dir=cache_folder(env),
            unknown_keys=unknown_keys,
        )

    def retry_policy(
        self,
        *,
        deadline_s: float | None = None,
        attempt_s: float | None = None,
        max_retries: float | None = None,
    ) -> RetryPolicy:
        """Return the policy of these settings, with one provider's own limits where it has some."""
        deadline = self.deadline_s if deadline_s is None else deadline_s
        return RetryPolicy(
            deadline_s=deadline,
            attempt_s=min(self.attempt_s, deadline) if attempt_s is None else attempt_s,
            max_retries=self.max_retries if max_retries is None else int(max_retries),
            first_pause_s=self.first_pause_s,
            max_pause_s=self.max_pause_s,
            clock=self.clock,
            sleep=self.sleep,
            random=self.random,
        )


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """Everything a provider may use beside its own spec."""

    base_dir: str
    """The suite's folder: relative paths start here."""
    files: Files
    """Reads `file://` references."""
    env: Mapping[str, str]
    scripts: Scripts
    templates: ValueRenderer
    settings: ProviderSettings


def _numbers(env: Mapping[str, str]) -> dict[str, float]:
    found, problems = {}, []
    for name, least in (
        ("EVOLVE_DEADLINE_S", 0.001),
        ("EVOLVE_ATTEMPT_S", 0.001),
        ("EVOLVE_IDLE_S", 0.1),
        ("EVOLVE_RETRIES", 0),
    ):
        text = env.get(name)
        if not text:
            continue
        try:
            found[name] = float(text)
        except ValueError:
            problems.append(Problem(f"environment variable {name}={text!r}: expected a number"))
            continue
        if not least <= found[name] < float("inf"):
            problems.append(Problem(f"environment variable {name}={text!r}: expected at least {least:g}"))
    if problems:
        raise InputError(problems)
    return found
