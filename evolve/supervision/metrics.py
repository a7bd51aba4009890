"""Numbers of the supervisor, as Prometheus reads them, on a port of this host."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from evolve.cluster import faults
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.healing import AttemptState, IncidentState

ADDRESS: Final = "127.0.0.1"
"""Where metrics are served that need no password, unless somebody wants it otherwise."""
_FAULTS: Final = tuple(one.__name__ for one in faults.ClusterFault.__subclasses__())


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
        _family(lines, "cluster_faults_total", "counter", "Calls that failed.", _by("class", _FAULTS, self.faults))
        _family(lines, "cluster_answered_seconds", "gauge", "When Nomad answered last.", {"": self.answered_at})
        _family(lines, "leader", "gauge", "Whether this supervisor decides.", {"": int(self.is_leader)})
        _family(lines, "incidents", "gauge", "Open incidents.", _by("state", IncidentState, self.incidents))
        _family(lines, "healings", "gauge", "Attempts of open incidents.", _by("state", AttemptState, self.healings))
        decisions = {"_sum": self.decision_s, "_count": self.decisions}
        _family(lines, "decision_seconds", "summary", "Time that decisions took.", decisions)
        return "\n".join(lines) + "\n"


def _by(label: str, known: Iterable[str], values: Mapping[str, int]) -> dict[str, float]:
    """Return the values by their label; what did not happen yet is 0: Prometheus sees no rise from nothing to 1."""
    counted = {**dict.fromkeys(map(str, known), 0), **values}
    return {f'{{{label}="{name}"}}': number for name, number in sorted(counted.items())}


def _family(lines: list[str], name: str, kind: str, text: str, values: Mapping[str, float]) -> None:
    lines += [f"# HELP anneal_supervisor_{name} {text}", f"# TYPE anneal_supervisor_{name} {kind}"]
    # Six digits, which is the format's default, would be right to hours for a time and lose steps of large counters.
    lines += [f"anneal_supervisor_{name}{labels} {value:.15g}" for labels, value in values.items()]


class MetricsServer:
    """Serves `/metrics`; use it as a context manager.

    Args:
        port: 0 for a free one.
        text: makes the page.
        address: of this host.
    """

    def __init__(self, port: int, text: Callable[[], str], *, address: str = ADDRESS) -> None:
        self._port, self._text, self._address = port, text, address
        self.port = 0
        """The one that is served."""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "MetricsServer":
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise EnvironmentFault(f"cannot serve metrics on {self._address}:{self._port}: {error.strerror}") from error
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        return web.Response(text=self._text(), content_type="text/plain", charset="utf-8")
