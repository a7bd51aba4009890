"""The arguments of user code behind a provider: promptfoo's `options` and `context`."""

from evolve.core.model.answers import Request
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.context import ProviderContext


def call_options(spec: ProviderSpec, context: ProviderContext, config: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the second argument of `call_api`: the provider's id, label and config."""
    options: dict[str, JsonValue] = {"id": spec.id, "config": {"basePath": context.base_dir, **config}}
    if spec.label:
        options["label"] = spec.label
    return options


def call_context(request: Request) -> dict[str, JsonValue]:
    """Return the third argument: vars, the prompt before rendering, and the test's metadata.

    It is new for each call, because user code may change it.
    """
    variables = dict(request.vars)
    return {
        "vars": variables,
        "prompt": {"raw": request.raw_prompt, "label": request.label, "config": dict(request.config)},
        "test": {"vars": variables, "metadata": dict(request.metadata)},
        "repeatIndex": request.repeat,
    }
