"""The providers, which answer prompts. The file NAME.py of this folder has `open_provider` for ids `NAME:...`."""

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Mapping
from types import ModuleType

from evolve.core.javascript.node_needs import JAVASCRIPT_SUFFIXES
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.ports import Files, Provider, Scripts
from evolve.core.model.suite import ProviderSpec
from evolve.core.suites.suite_format import NO_RED_TEAM
from evolve.core.text.did_you_mean import did_you_mean
from evolve.providers.config import place_of
from evolve.providers.context import ProviderContext, ProviderSettings, ValueRenderer
from evolve.providers.openai_services import SERVICES

__all__ = ["ProviderSettings", "known_providers", "open_provider"]

_SAME = {
    "https": "http",
    "azureopenai": "azure",
    "hf": "huggingface",
    **dict.fromkeys(SERVICES, "openai"),
}
"""Names whose providers are in the file of another name."""
_OPENAI_LIKE = frozenset({"together", "lmstudio", "llamafile"})
"""Names that users try for servers with OpenAI's protocol; the error then names `openai:`."""
_RED_TEAM = re.compile(r"(?:promptfoo:)?redteam:")
_BY_EXTENSION = {".py": "python", **dict.fromkeys(JAVASCRIPT_SUFFIXES, "javascript")}


def open_provider(
    spec: ProviderSpec,
    *,
    base_dir: str,
    files: Files,
    env: Mapping[str, str],
    scripts: Scripts,
    templates: ValueRenderer,
    settings: ProviderSettings,
) -> Provider:
    """Return the provider that a spec names; connections and processes start with the first request.

    Args:
        spec: the provider as the suite describes it.
        base_dir: the suite's folder, where commands run and relative paths start.
        files: reads what `file://` names.
        env: the environment it may see; the spec's own `env` overrides it.
        scripts: the functions of Python providers.
        templates: fills the templates in configs.
        settings: deadlines, retries and the cache folder.

    Raises:
        InputError: an unknown id or a wrong config, with all its problems.
        EnvironmentFault: something it needs is not on this machine.
    """
    context = ProviderContext(base_dir, files, {**env, **spec.env} if spec.env else env, scripts, templates, settings)
    module = _module_for(spec)
    provider: Provider = module.open_provider(spec, context)
    return provider


def known_providers() -> tuple[str, ...]:
    """Return the names that an id may begin with."""
    names = [name for _, name, _ in pkgutil.iter_modules(__path__) if _is_provider(name)]
    return tuple(sorted([*names, *_SAME]))


def _is_provider(name: str) -> bool:
    return hasattr(importlib.import_module(f"{__name__}.{name}"), "open_provider")


def _module_for(spec: ProviderSpec) -> ModuleType:
    scheme = _scheme(spec)
    name = f"{__name__}.{_SAME.get(scheme, scheme)}"
    if scheme.isidentifier() and importlib.util.find_spec(name):
        module = importlib.import_module(name)
        if hasattr(module, "open_provider"):
            return module
    hint = did_you_mean(scheme, known_providers()) or f"known: {', '.join(known_providers())}"
    if scheme in _OPENAI_LIKE:
        hint = "use openai:chat:MODEL with apiBaseUrl for any endpoint that speaks OpenAI's protocol"
    if _RED_TEAM.match(spec.id):
        raise InputError(Problem(f"not supported by Anneal: provider {spec.id!r}", place_of(spec), NO_RED_TEAM))
    raise InputError(Problem(f"unknown provider {spec.id!r}", place_of(spec), hint))


def _scheme(spec: ProviderSpec) -> str:
    scheme, colon, rest = spec.id.partition(":")
    if scheme.endswith(JAVASCRIPT_SUFFIXES):
        return "javascript"
    if scheme != "file" or not colon:
        return scheme
    extension = _extension(rest)
    if extension not in _BY_EXTENSION:
        expected = "expected file://NAME.py, file://NAME.js or file://NAME.ts, with :FUNCTION if need be"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return _BY_EXTENSION[extension]


def _extension(path: str) -> str:
    """Return the extension before an optional `:FUNCTION`."""
    name = path.rsplit("/", 1)[-1].partition(":")[0]
    return name[name.rfind(".") :] if "." in name else ""
