"""Numbers of the supervisor, as Prometheus reads them, on a port of the loopback address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from evolve.core.model.errors import EnvironmentFault

ADDRESS = "127.0.0.1"


@dataclass(slots=True)
class Metrics:
    """What happened since the start, and how things are."""

    looks: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """Faults of the cluster, by class."""
    answered_at: float = 0.0
    """When Nomad answered last, in seconds since 1970."""
    is_leader: bool = False
    incidents: Mapping[str, int] = field(default_factory=dict)
    """Open incidents, by state."""
    healings: Mapping[str, int] = field(default_factory=dict)
    """Attempts of open incidents, by state."""
    decision_s: float = 0.0
    decisions: int = 0

    def note_fault(self, name: str) -> None:
        """Count a fault."""
        self.faults[name] = self.faults.get(name, 0) + 1

    def text(self) -> str:
        """Return all of it in Prometheus' text format."""
        lines: list[str] = []
        _family(lines, "looks_total", "counter", "Jobs that were looked at.", {"": self.looks})
        _family(lines, "cluster_faults_total", "counter", "Calls that failed.", _by("class", self.faults))
        _family(lines, "cluster_answered_seconds", "gauge", "When Nomad answered last.", {"": self.answered_at})
        _family(lines, "leader", "gauge", "Whether this supervisor decides.", {"": int(self.is_leader)})
        _family(lines, "incidents", "gauge", "Open incidents.", _by("state", self.incidents))
        _family(lines, "healings", "gauge", "Attempts of open incidents.", _by("state", self.healings))
        _family(lines, "decision_seconds_sum", "counter", "Time that decisions took.", {"": self.decision_s})
        _family(lines, "decision_seconds_count", "counter", "Decisions.", {"": self.decisions})
        return "\n".join(lines) + "\n"


def _by(label: str, values: Mapping[str, int]) -> dict[str, float]:
    return {f'{{{label}="{name}"}}': number for name, number in sorted(values.items())}


def _family(lines: list[str], name: str, kind: str, text: str, values: Mapping[str, float]) -> None:
    lines += [f"# HELP anneal_supervisor_{name} {text}", f"# TYPE anneal_supervisor_{name} {kind}"]
    lines += [f"anneal_supervisor_{name}{labels} {value:g}" for labels, value in values.items()]


class MetricsServer:
    """Serves `/metrics`; use it as a context manager.

    Args:
        port: on the loopback address; 0 for a free one.
        text: makes the page.
    """

    def __init__(self, port: int, text: Callable[[], str]) -> None:
        self._port, self._text = port, text
        self.port = 0
        """The one that is served."""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "MetricsServer":
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, ADDRESS, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise EnvironmentFault(f"cannot serve metrics on {ADDRESS}:{self._port}: {error.strerror}") from error
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        return web.Response(text=self._text(), content_type="text/plain", charset="utf-8")
