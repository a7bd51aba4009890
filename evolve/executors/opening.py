"""Executors that ask providers elsewhere: what another machine needs to open one, and the port they implement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.model.strictness import UndefinedNames
from evolve.core.model.suite import ProviderSpec
from evolve.core.templating.templates import Templates
from evolve.core.text.secret_names import is_secret_name
from evolve.providers import ProviderSettings, open_provider
from evolve.store.files import LocalFiles
from evolve.store.scripts import LocalScripts

_OWN = ("EVOLVE_CACHE_DIR", "EVOLVE_STATE_DIR", "EVOLVE_NODE")
"""Variables about this machine, which mean nothing on another."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything that another machine needs to open the same provider; it can be pickled."""

    id: str
    config: Mapping[str, JsonValue] = field(repr=False)
    base_dir: str
    env: Mapping[str, str] = field(repr=False)
    """Added to that machine's own."""
    undefined: UndefinedNames

    @staticmethod
    def of(spec: ProviderSpec, base_dir: str, env: Mapping[str, str], undefined: UndefinedNames) -> "Opening":
        """Return the opening of a provider. Of the environment only EVOLVE_* settings travel, and no credentials.

        Args:
            spec: the provider as the suite describes it; its own `env` travels whole.
            base_dir: the suite's folder, which the other machine must have, too.
            env: this process's environment.
            undefined: what an undefined name in a template is.
        """
        kept = {
            name: value
            for name, value in env.items()
            if name.startswith("EVOLVE_") and name not in _OWN and not is_secret_name(name)
        }
        return Opening(spec.id, dict(spec.config), base_dir, {**kept, **spec.env}, undefined)

    def open(self, own_env: Mapping[str, str]) -> Provider:
        """Open it here; raises as `open_provider` does."""
        env = {**own_env, **self.env}
        return open_provider(
            ProviderSpec(self.id, config=dict(self.config)),
            base_dir=self.base_dir,
            files=LocalFiles(self.base_dir),
            env=env,
            scripts=LocalScripts(env),
            templates=Templates(self.undefined, {}),
            settings=ProviderSettings.from_environment(env),
        )


class Distributor(Protocol):
    """Asks providers on several machines."""

    @property
    def slots(self) -> int:
        """How many requests all machines answer at once."""
        ...

    def distribute(self, provider: Provider, opening: Opening) -> Provider:
        """Return a provider with the same identities, whose requests the machines answer."""
        ...


def distributed(provider: Provider, opening: Opening, distributor: Distributor | None) -> Provider:
    """Return the provider as a distributor asks it; unchanged without one, and for an echo, which costs nothing."""
    return provider if distributor is None or opening.id == "echo" else distributor.distribute(provider, opening)
