"""Reports faults of the cluster in lines that a person can follow: each once, and when it is over."""

from collections.abc import Callable

from evolve.cluster.faults import ClusterFault
from evolve.supervision.metrics import Metrics

_AGAIN_S = 60.0


class FaultLog:
    """Counts faults and writes them to a log.

    Args:
        metrics: counts all of them.
        log: takes a line.
        clock: seconds.
    """

    def __init__(self, metrics: Metrics, log: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._metrics, self._log, self._clock = metrics, log, clock
        self._reported: dict[str, float] = {}

    def note(self, fault: ClusterFault) -> None:
        """Count a fault. The same one is a line once a minute: it comes again every few seconds."""
        self._metrics.note_fault(type(fault).__name__)
        now = self._clock()
        if now - self._reported.get(fault.call, float("-inf")) >= _AGAIN_S:
            self._reported[fault.call] = now
            self._log(str(fault))

    def end(self, name: str, url: str) -> None:
        """Report that a server answers again, where a fault of it was reported."""
        ended = [what for what in self._reported if url in what]
        for what in ended:
            del self._reported[what]
        if ended:
            self._log(f"{name} answers again")
