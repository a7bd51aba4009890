"""The arms of `evolve_beyond.py` that are other projects' optimizers, each in an environment of its own."""

from collections.abc import Callable, Mapping

from beyond_places import Place, UnitFound

OTHER_ARMS: Mapping[str, Callable[[Place], UnitFound]] = {}
