"""The model that answers on this machine: the larger one where it was fetched, else the embedded one, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.suite import ProviderSpec
from evolve.providers.embedded_models import SHIPPED, find_model
from evolve.providers.model_catalog import fetchable_models
from evolve.system.cache_folder import cache_folder

SMALL: Final = "small"
LARGE: Final = "large"
_SMALL_MODEL: Final = next(iter(SHIPPED))
_ADVICE: Final = "this model is for trying things out; a better one: ./bootstrap.sh model large"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model's file, and what people should know of it."""

    file: Path
    provider_id: str
    """Its id in Anneal; empty for a file that Anneal does not know."""
    advice: str = ""


def choose_model(given: str | None, env: Mapping[str, str]) -> LocalModel:
    """Return the model to serve.

    Args:
        given: `small`, `large`, or a GGUF file; None for the large one where it was fetched, else the small one.
        env: the process's variables.

    Raises:
        InputError: there is no such file.
        EnvironmentFault: the model is not installed, or was not fetched.
    """
    cache = cache_folder(env)
    if given not in (None, SMALL, LARGE):
        file = Path(str(given))
        if not file.is_file():
            raise InputError(Problem(f"--model {given}: no such file"))
        return LocalModel(file.resolve(), "")
    large = next(iter(fetchable_models()))
    if given == LARGE or (given is None and large.place(cache).is_file()):
        return LocalModel(_found(large.name, cache), f"llamacpp:{large.name}")
    return LocalModel(_found(_SMALL_MODEL, cache), f"llamacpp:{_SMALL_MODEL}", _ADVICE)


def _found(name: str, cache: Path) -> Path:
    try:
        return find_model(ProviderSpec(id=f"llamacpp:{name}"), name, "", cache).path
    except EnvironmentFault as fault:
        hint = "type: ./bootstrap.sh setup" if name == _SMALL_MODEL else "type: ./bootstrap.sh model large"
        raise EnvironmentFault(fault.message, hint=hint) from fault
