"""Whether an argument that a model gave is in the report that it was shown; an invented one is not used.

A model copies wrongly or makes something up. Without the argument, code fills it in from the record of the failure, as
for an agent that gives none.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from evolve.core.model.actions import Arguments, FixConfig, FixImage, FreeDisk, FreePort, Proposal, WaitDependency
from evolve.core.model.json_value import JsonValue

_AFTER = r"(?![\w-]|\.\w)"
"""A name ends with a blank, a quote, a comma ... A host's name has dots of its own, and a sentence ends with one."""

_NOMADS_NAMES = ("constraint_filtered", "dimension_exhausted")
"""Fields whose names are Nomad's text: `network: reserved port collision web=80`."""
_CHANGED = ("before", "after")
"""Values of settings, of which a port is a number."""


def grounded(proposal: Proposal, diagnostics: Mapping[str, JsonValue]) -> Proposal:
    """Return the proposal without arguments that the report does not name.

    A memory limit and a reason are kept: the limit is a new value, which ceilings bound, and the reason is for people.
    """
    given = proposal.arguments
    if given is None or _is_named(given, [*_texts(dict(diagnostics))]):
        return proposal
    return replace(proposal, arguments=None)


def _is_named(given: Arguments, texts: list[str]) -> bool:
    match given:
        case FixImage(image):
            return _finds(texts, _whole(image))
        case FixConfig(key):
            # The last part of a dotted setting is a name of it too: ALLOWED_HOSTS of settings.ALLOWED_HOSTS.
            return _finds(texts, rf"(?<![\w-]){re.escape(key)}{_AFTER}")
        case FreePort(port):
            return _finds(texts, rf"(?<![\w.-]){port}(?![\w]|\.\d)")
        case FreeDisk(path):
            return _finds(texts, _path(path))
        case WaitDependency(service):
            host, _, its_port = service.partition(":")
            # One text names both: a number elsewhere in the report is no port of this service.
            with_host = [text for text in texts if _finds([text], _whole(host))]
            return bool(with_host) and (not its_port or _finds(with_host, rf"(?<![\d.]){its_port}(?![\d])"))
        case _:
            return True


def _finds(texts: list[str], pattern: str) -> bool:
    search: Callable[[str], object] = re.compile(pattern, re.IGNORECASE).search
    return any(search(text) is not None for text in texts)


def _whole(name: str) -> str:
    # A path, an option or a host after `//` or `@` begins where something else ends.
    before = r"(?<![\w.])" if name.startswith(("/", "-")) else r"(?<![\w.-])"
    return f"{before}{re.escape(name)}{_AFTER}"


def _path(path: str) -> str:
    """A pattern for the path itself, or for one below it; the root has everything below it, so it must be named."""
    stem = path.rstrip("/")
    below = r"(?=/|(?![\w.-])|\.(?!\w))"
    return rf"(?<![\w./-]){re.escape(stem)}{below}" if stem else r"(?<![\w./-])/(?![\w./-])"


def _texts(value: JsonValue, field: str = "") -> Iterator[str]:
    """Yield what the cluster wrote into a report: no names of its fields, and no numbers such as exit codes."""
    if isinstance(value, dict):
        if field in _NOMADS_NAMES:
            yield from value
        for name, part in value.items():
            yield from _texts(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, field)
    elif isinstance(value, str):
        yield value
    elif value is not None and field in _CHANGED:
        yield str(value)
