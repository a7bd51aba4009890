"""Opens the executor that `--executor` names for the providers of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from evolve.executors.opening import Distributor


@contextmanager
def opened_distributor(name: str | None) -> Iterator[Distributor | None]:
    """Open the executor `ray` or `ray:ADDRESS`, and close it at the end; None for this process.

    Raises:
        EnvironmentFault: Ray is not installed, or its cluster does not answer.
    """
    if name is None:
        yield None
        return
    from evolve.executors.ray_cluster import opened_ray

    with opened_ray(name.partition(":")[2]) as cluster:
        yield cluster
