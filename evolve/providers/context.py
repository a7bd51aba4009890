"""A provider's surroundings: the folder of its suite, environment, scripts, templates and settings."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Scripts
from evolve.core.model.strictness import UnknownKeys
from evolve.system.cache_folder import cache_folder
from evolve.system.retry import RetryPolicy


class ValueRenderer(Protocol):
    """Fills templates; `evolve.core.templating.templates.Templates` implements it."""

    def render(self, text: str, variables: Mapping[str, JsonValue], /) -> str:
        """Return the text with its placeholders filled; raises CannotEvaluate."""
        ...

    def render_value(self, value: JsonValue, variables: Mapping[str, JsonValue], /) -> JsonValue:
        """Return a list or mapping with every string inside it filled; raises CannotEvaluate."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A provider whose config only its endpoints can show to be wrong."""

    def check(self) -> None:
        """Raise InputError where it is wrong, EnvironmentFault where that cannot be known now."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Deadlines, retries and shared folders of providers. Clock, sleep and randomness are passed in here."""

    deadline_s: float = 300.0
    """Limit for one answer with all its retries (EVOLVE_DEADLINE_S); enough for two full attempts and their pauses."""
    attempt_s: float = 120.0
    """Limit for one try, from connecting to the last byte of the body (EVOLVE_ATTEMPT_S)."""
    max_retries: int = 4
    """EVOLVE_RETRIES; a provider's `maxRetries` overrides it."""
    first_pause_s: float = 0.5
    """The pause doubles from here with each try, up to `max_pause_s`, so that a busy endpoint can recover."""
    max_pause_s: float = 30.0
    idle_s: float = 300.0
    """The embedded server ends after so long without a call (EVOLVE_IDLE_S)."""
    cache_dir: Path = field(default_factory=lambda: cache_folder({}))
    """EVOLVE_CACHE_DIR, else XDG_CACHE_HOME/evolve, else ~/.cache/evolve."""
    unknown_keys: UnknownKeys = "typos"
    """What an unknown key in a provider's config is."""
    warn: Callable[[Problem], None] = lambda _: None
    """Receives each key of a config that is ignored."""
    report: Callable[[Problem], None] | None = None
    """Receives each wrong key of a config, so that its other problems are found too; None: such keys are raised."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random

    @staticmethod
    def from_environment(env: Mapping[str, str], *, unknown_keys: UnknownKeys = "typos") -> "ProviderSettings":
        """Return the settings from EVOLVE_* variables; raises InputError for those that are not numbers in range."""
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
        """Return the retry policy of these settings; arguments that are not None override them for one provider."""
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
    """Everything a provider may use in addition to its own spec."""

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
    # Deadlines must be positive. The embedded server looks at its idle time in steps, so that has a larger minimum.
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
