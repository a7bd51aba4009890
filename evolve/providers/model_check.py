"""What a model costs on this machine: it is loaded, asked once, and its time and memory are measured."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.core.model.answers import Answer, Request
from evolve.core.model.json_value import JsonValue
from evolve.providers.llamacpp import LlamaCpp

_PROMPT = """A job failed on a host of a small cluster. Its log ends with these lines:
web[812]: reading /etc/web/web.conf
web[812]: listening on 0.0.0.0:8080 failed: address already in use
web[812]: ending
In one sentence: why did it fail, and what would you do first?"""
"""Some 70 tokens: enough that the speed of reading a prompt can be measured."""
_ANSWER_TOKENS = 48


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """One request to a model that was loaded for it."""

    load_s: float
    answer: str
    prompt_tokens: int
    prompt_per_s: float
    """Tokens of the prompt that the model reads in a second."""
    answer_tokens: int
    answer_per_s: float
    """Tokens that it writes in a second."""
    peak_mb: float | None
    """The most memory that its process had, in MB of 10**6 bytes; None where the system does not say."""


async def measure(model: LlamaCpp) -> ModelSpeed:
    """Load a model, ask it once, and return what that took.

    Raises:
        EnvironmentFault: it cannot be loaded, or does not answer.
    """
    begun = time.monotonic()
    server = await model.server()
    loaded = time.monotonic() - begun
    config: Mapping[str, JsonValue] = {"temperature": 0, "max_tokens": _ANSWER_TOKENS}
    answer = await model.answer(Request(_PROMPT, config=config))
    timings = _timings(answer)
    return ModelSpeed(
        load_s=loaded,
        answer=" ".join(str(answer.output).split()),
        prompt_tokens=int(timings.get("prompt_n", 0)),
        prompt_per_s=timings.get("prompt_per_second", 0.0),
        answer_tokens=int(timings.get("predicted_n", 0)),
        answer_per_s=timings.get("predicted_per_second", 0.0),
        peak_mb=_peak_mb(server.pid),
    )


def _timings(answer: Answer) -> Mapping[str, float]:
    found = answer.raw.get("timings") if isinstance(answer.raw, dict) else None
    known = found if isinstance(found, dict) else {}
    return {name: float(value) for name, value in known.items() if isinstance(value, int | float)}


def _peak_mb(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, flags=re.M)
    return int(found[1]) * 1024 / 1e6 if found else None
