"""How an activator shows in Consul; the power agent writes it, and the gateway reads it."""

from typing import Final

ACTIVATOR_PREFIX: Final = "activator-"
"""What activators are called in Consul, with the name of their service behind it."""
SERVICE_META: Final = "service"
STATE_META: Final = "state"
SCHEME_META: Final = "scheme"
