"""What Prometheus reads of the power agent. Labels are services, phases and kinds of results; never a client."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipecatapp.power.state import Phase, PowerState, Refusal
from pipecatapp.serving.listening import Listen, serve_metrics

_SECONDS: Final = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
"""Bounds from a service that is awake to a node that boots and loads a model."""


class PowerMetrics:
    """All series, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._phase = Gauge("power_agent_phase", "1 for a service's phase", ["service", "phase"], registry=registry)
        self._clients = Gauge("power_agent_clients", "Clients now", ["service", "kind"], registry=registry)
        self._refused = Counter("power_agent_refused", "Refused clients", ["service", "reason"], registry=registry)
        self._gone = Counter(
            "power_agent_clients_gone", "Clients that left while they waited", ["service"], registry=registry
        )
        self._wakes = Counter("power_agent_wakes", "Wakes that ended", ["service", "result"], registry=registry)
        self._sleeps = Counter(
            "power_agent_sleeps", "Decisions to put to sleep that ended", ["service", "result"], registry=registry
        )
        self._waited = Histogram(
            "power_agent_wait_seconds",
            "From a client's connection to that of an instance",
            ["service"],
            buckets=_SECONDS,
            registry=registry,
        )

    def serve(self, listen: Listen) -> Callable[[], None]:
        """Serve `/metrics` in a thread of its own; return what ends it.

        Raises:
            EnvironmentFault: the address cannot be used.
        """
        return serve_metrics(self.registry, listen)

    def show(self, service: str, state: PowerState) -> None:
        """Show a service's phase and clients."""
        for phase in Phase:
            self._phase.labels(service, phase.value).set(state.phase is phase)
        self._clients.labels(service, "waiting").set(len(state.waiting))
        self._clients.labels(service, "served").set(len(state.served))
        # There from the start at 0: Prometheus sees no increase in a series that begins at 1.
        for result in ("awake", "failed"):
            self._wakes.labels(service, result)

    def count_refused(self, service: str, reason: Refusal) -> None:
        """Count a client that got no connection."""
        self._refused.labels(service, reason.value).inc()

    def count_gone(self, service: str) -> None:
        """Count a client that left while it waited."""
        self._gone.labels(service).inc()

    def count_wake(self, service: str, result: str) -> None:
        """Count a wake: `awake`, `failed`."""
        self._wakes.labels(service, result).inc()

    def count_sleep(self, service: str, result: str) -> None:
        """Count a decision to put a service to sleep: `asleep`, `kept`."""
        self._sleeps.labels(service, result).inc()

    def note_wait(self, service: str, seconds: float) -> None:
        """Note how long a client waited for its connection."""
        self._waited.labels(service).observe(seconds)
