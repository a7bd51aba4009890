"""The provider `echo`, which answers with the prompt."""

from evolve.core.model.answers import Answer, Request
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.context import ProviderContext


class Echo:
    """Answers with the prompt, at no cost."""

    def __init__(self, spec: ProviderSpec) -> None:
        self.id = spec.id

    def identity(self, _: Request) -> JsonValue:
        """Return None: finding a stored echo costs more than echoing."""
        return None

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        return Answer(request.prompt, cost=0.0, raw=request.prompt)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def open_provider(spec: ProviderSpec, _: ProviderContext) -> Echo:
    """Return the echo; it has no settings."""
    return Echo(spec)
