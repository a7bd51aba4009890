"""What a call of Home Assistant can do: whether it can be changed back, or a person has to be asked before it.

The list is of what is harmless. A domain that nobody has thought of asks, so that a new one opens no door.
"""

from typing import Final

from pipecatapp.core.ports import Risk
from pipecatapp.tools.config import HomeConfig

REVERSIBLE: Final = frozenset({
    "climate", "counter", "fan", "humidifier", "input_boolean", "input_datetime", "input_number", "input_select",
    "input_text", "light", "media_player", "number", "select", "switch", "timer", "vacuum",
})  # fmt: skip
"""Domains whose calls can be changed back. Not in it, and therefore asked for: locks, alarms, valves, sirens and
cameras; scenes, scripts and buttons, which may do anything; updates; and whatever has no entry here."""
COVER: Final = "cover"
_HARMLESS_COVERS: Final = frozenset({"awning", "blind", "curtain", "shade", "shutter"})
"""Kinds of covers that are no way into the house. A garage, a gate, a door, a window or an unknown one is."""
ALWAYS_ASK: Final = frozenset({"alarm_control_panel", "lock"})
"""Domains for which no setting switches the question off."""


def needs_kind(entity: str, config: HomeConfig) -> bool:
    """Return whether the risk of a call depends on the kind of the entity, its `device_class`."""
    return domain_of(entity) == COVER and _by_settings(entity, config) is None


def risk_of_call(entity: str, config: HomeConfig, kind: str = "") -> Risk:
    """Return the risk of a service's call.

    Args:
        entity: which it is for.
        config: what the user wants to be asked about.
        kind: the entity's `device_class`, where it is needed; empty for an unknown one.
    """
    by_settings = _by_settings(entity, config)
    if by_settings is not None:
        return by_settings
    if domain_of(entity) == COVER:
        return Risk.WRITE if kind in _HARMLESS_COVERS else Risk.DANGER
    return Risk.WRITE if domain_of(entity) in REVERSIBLE else Risk.DANGER


def domain_of(entity: str) -> str:
    """Return the domain of an entity."""
    return entity.partition(".")[0]


def _by_settings(entity: str, config: HomeConfig) -> Risk | None:
    """Return what the user said of the entity or its domain; None for nothing. The question wins."""
    names = {entity, domain_of(entity)}
    if not names.isdisjoint(config.ask) or domain_of(entity) in ALWAYS_ASK:
        return Risk.DANGER
    return Risk.WRITE if not names.isdisjoint(config.never_ask) else None
