"""How an activator shows in Consul; the power agent writes it, and the gateway reads it."""

from typing import Final

ACTIVATOR_PREFIX: Final = "activator-"
"""What activators are called in Consul, with the name of their service behind it."""
SERVICE_META: Final = "service"
STATE_META: Final = "state"
SCHEME_META: Final = "scheme"
METRICS_META: Final = "metrics"
"""Where Prometheus finds the metrics of the service's program, as HOST:PORT, or :PORT at the node's own address."""
