"""The cost of a hosted model's answer, by the config's own price or by the dated table in prices.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from evolve.core.model.answers import TokenUsage
from evolve.core.model.json_value import JsonValue

_MILLION = 1_000_000
"""The table has prices per million tokens, as vendors publish them."""
_OWN_PRICES = frozenset({"cost", "inputCost", "outputCost"})
_CLAUDE_READ, _CLAUDE_WRITE = 0.1, 1.25
"""Anthropic's factors on the input price for tokens read from its cache and written to it, the same for all models."""


class PriceList(NamedTuple):
    """Prices by vendor and model, with their source and date."""

    source: str
    date: str
    vendors: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per token."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@cache
def price_list() -> PriceList:
    """Return the table; it is read when the first price is needed."""
    data = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return PriceList(data["source"], data["date"], data["vendors"])


def cost_of(
    vendor: str, model: str, tokens: TokenUsage, config: Mapping[str, JsonValue], *, written: int = 0
) -> float | None:
    """Return the cost in US dollars, or None if neither the config nor the table has a price.

    Args:
        vendor: a section of the table; empty for endpoints without one.
        model: its name there.
        tokens: of the whole call; `cached` of the prompt's tokens came out of a cache.
        config: `inputCost` and `outputCost`, or `cost` for both, are prices per token that override the table.
        written: how many of the prompt's tokens were written to a cache.
    """
    rates = _rates(vendor, model, tokens.prompt, config)
    if rates is None:
        return None
    plain = max(tokens.prompt - tokens.cached - written, 0)
    read = tokens.cached * rates.cache_read + written * rates.cache_write
    return plain * rates.input + read + tokens.completion * rates.output


def _rates(vendor: str, model: str, prompt: int, config: Mapping[str, JsonValue]) -> Rates | None:
    listed = price_list().vendors.get(vendor, {}).get(model) if vendor else None
    if listed is None and not _OWN_PRICES & config.keys():
        return None
    if listed and "above" in listed and prompt > listed["above"]["tokens"]:
        # If the upper tier has no price for cached tokens, they cost as much as others.
        listed = {"cache_read": listed["above"]["input"], **listed["above"]}
    both = config.get("cost")
    own_input, own_output = _number(config.get("inputCost", both)), _number(config.get("outputCost", both))
    paid = own_input if own_input is not None else _per_token(listed, "input")
    output = own_output if own_output is not None else _per_token(listed, "output")
    if paid is None or output is None:
        return None
    if vendor in ("anthropic", "bedrock") and "claude" in model:
        return Rates(paid, output, paid * _CLAUDE_READ, paid * _CLAUDE_WRITE)
    read = None if own_input is not None else _per_token(listed, "cache_read")
    return Rates(paid, output, paid if read is None else read, paid)


def _per_token(listed: Mapping[str, Any] | None, name: str) -> float | None:
    return listed[name] / _MILLION if listed and name in listed else None


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
