"""What the activator needs of a way to wake a service, and to put it to sleep."""

from collections.abc import Callable
from typing import Protocol


class WakeFailed(Exception):
    """It cannot be woken; the message says why, for the log and for people."""


class Waker(Protocol):
    """One way to wake a service."""

    again_s: float
    """Seconds until `wake` is called again, as long as no instance passes."""

    async def wake(self) -> frozenset[str]:
        """Do what wakes it, once; return the instances that are to run from now on, as far as they are known.

        Raises:
            WakeFailed: it will not wake, for no client.
            ClusterFault: it did not work now; it is called again.
        """
        ...


class Sleeper(Protocol):
    """A way to put a service to sleep."""

    async def count(self) -> int:
        """Return how many instances are wanted; 0 for one that sleeps or was stopped.

        Raises:
            ClusterFault: that is not known now.
        """
        ...

    async def stopped(self) -> frozenset[str]:
        """Return the instances that do not run any more or are being stopped.

        Raises:
            ClusterFault: that is not known now.
        """
        ...

    async def retire(self, commit: Callable[[], bool]) -> frozenset[str] | None:
        """Put it to sleep; return the instances that are stopped by that, None where it was not put to sleep.

        Args:
            commit: called right before the write; where it returns False, nothing is written.

        Raises:
            ClusterFault: nothing was written.
        """
        ...
