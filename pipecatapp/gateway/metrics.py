"""What Prometheus reads of the gateway. Labels are models, experts and statuses; never a prompt or a key."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipecatapp.serving.listening import Listen, serve_metrics
from pipecatapp.wire.experts import Tokens

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Bounds from the gateway's own cost to a long answer of a slow model."""


class Metrics:
    """All series, in a registry of their own: two gateways in one process do not meet."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter(
            "moe_gateway_requests", "Answered requests", ["route", "model", "status"], registry=registry
        )
        self._in_flight = Gauge("moe_gateway_requests_in_flight", "Requests under way", registry=registry)
        self._first_byte = Histogram(
            "moe_gateway_first_byte_seconds",
            "From the request to the first byte of the answer",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._duration = Histogram(
            "moe_gateway_request_seconds",
            "From the request to the end of the answer",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "moe_gateway_tokens", "Tokens by the experts' count", ["model", "kind"], registry=registry
        )
        self._failures = Counter(
            "moe_gateway_expert_failures", "Failed calls of experts", ["model", "reason"], registry=registry
        )
        self._choices = Counter(
            "moe_gateway_choices", "Experts that answered for the model moe", ["expert", "reason"], registry=registry
        )
        self._gone = Counter(
            "moe_gateway_clients_gone", "Clients that left before the end", ["model"], registry=registry
        )
        self._passing = Gauge("moe_gateway_expert_instances", "Instances that pass", ["model"], registry=registry)
        self._activators = Gauge(
            "moe_gateway_expert_activators", "Activators that wake the expert", ["model"], registry=registry
        )
        self._ready = Gauge(
            "moe_gateway_experts_ready", "Experts that pass or that an activator wakes", registry=registry
        )

    def serve(self, listen: Listen) -> Callable[[], None]:
        """Serve `/metrics` in a thread of its own; return what ends it.

        Raises:
            EnvironmentFault: the address cannot be used.
        """
        return serve_metrics(self.registry, listen)

    def count_choice(self, expert: str, reason: str) -> None:
        """Count a choice for the model moe.

        Args:
            expert: who answers.
            reason: `chosen`, or why it is the fallback.
        """
        self._choices.labels(expert, reason).inc()

    def begin(self) -> None:
        """Count a request that has begun."""
        self._in_flight.inc()

    def end(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count a request that has ended.

        Args:
            route: the path, out of the known ones.
            model: an id that is known; empty where the request had none.
            status: of HTTP.
            seconds: from the request to the end of the answer.
        """
        self._in_flight.dec()
        self._requests.labels(route, model, str(status)).inc()
        if model:
            self._duration.labels(model).observe(seconds)

    def first_byte(self, model: str, seconds: float) -> None:
        """Note when an answer began."""
        self._first_byte.labels(model).observe(seconds)

    def count_tokens(self, model: str, tokens: Tokens) -> None:
        """Add an answer's tokens."""
        self._tokens.labels(model, "prompt").inc(tokens.prompt)
        self._tokens.labels(model, "completion").inc(tokens.completion)

    def count_failure(self, model: str, reason: str) -> None:
        """Count a failed call of an expert."""
        self._failures.labels(model, reason).inc()

    def count_gone(self, model: str) -> None:
        """Count a client that left before the end."""
        self._gone.labels(model).inc()

    def show_expert(self, model: str, passing: int, activators: int) -> None:
        """Show how an expert is reached; one that sleeps has no instance that passes, and an activator.

        Args:
            model: the expert's id.
            passing: instances that pass.
            activators: that pass.
        """
        self._passing.labels(model).set(passing)
        self._activators.labels(model).set(activators)

    def show_ready(self, count: int) -> None:
        """Show how many experts a request can be sent to, those that sleep and are woken by it included."""
        self._ready.set(count)
