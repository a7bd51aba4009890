"""Reads a pool's id and config: where its experts are, which model is asked, how many requests each takes at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.did_you_mean import did_you_mean
from evolve.providers.config import place_of, render_text, text_of, wrong
from evolve.providers.context import ProviderContext
from evolve.providers.pool_members import ConsulMembers, ListedMembers, Members, consul_of
from evolve.system.credentials import safe_url

_CONSUL: Final = "consul:"
_EXPECTED: Final = "expected pool:URL,URL or pool:consul:SERVICE?tag=TAG, or pool:MODEL with `urls` in the config"
_SLOTS: Final = re.compile(r"[1-9][0-9]{0,5}")
"""More requests at once than any server takes; Python refuses to read numbers of thousands of digits."""
_LISTED_KEYS, _CONSUL_KEYS = ("model", "slots"), ("model", "slots", "tag", "scheme", "path")
"""What may follow the `?` of an id."""


@dataclass(frozen=True, slots=True)
class PoolNames:
    """What an id and its config say."""

    members: Members
    model: str
    """Empty for the one model that all experts serve."""
    slots: int


def pool_names(spec: ProviderSpec, context: ProviderContext) -> PoolNames:
    """Return what a pool's id and config say.

    Raises:
        InputError: neither URLs nor a service, or a wrong value.
    """
    rest, _, query = spec.id.partition(":")[2].partition("?")
    is_consul = rest.startswith(_CONSUL)
    options = _options(spec, query, _CONSUL_KEYS if is_consul else _LISTED_KEYS)
    is_model = not is_consul and "://" not in rest
    model = options.get("model", [""])[-1] or text_of(spec, "model", context) or (rest if is_model else "")
    members = _consul(spec, context, rest, options) if is_consul else _listed(spec, context, "" if is_model else rest)
    return PoolNames(members, model, _slots(spec, options))


def _options(spec: ProviderSpec, query: str, known: tuple[str, ...]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise InputError(Problem(f"provider {spec.id!r}: unknown option {name!r}", place_of(spec), hint))
        found.setdefault(name, []).append(value)
    return found


def _slots(spec: ProviderSpec, options: Mapping[str, list[str]]) -> int:
    text = options.get("slots", [""])[-1]
    if text and not _SLOTS.fullmatch(text):
        raise InputError(Problem(f"provider {spec.id!r}: slots={text!r}: expected a positive integer", place_of(spec)))
    given = int(text) if text else spec.config.get("slots")
    if given is None:
        return 1
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise wrong(spec, "slots", "a positive integer")
    return given


def _listed(spec: ProviderSpec, context: ProviderContext, in_id: str) -> ListedMembers:
    given = spec.config.get("urls")
    if in_id and given is not None:
        raise InputError(
            Problem(f"provider {spec.id!r}: URLs in the id and in `urls`: use one", place_of(spec, "urls"))
        )
    if given is not None and not (isinstance(given, list) and all(isinstance(one, str) for one in given)):
        raise wrong(spec, "urls", "a list of URLs")
    texts = in_id.split(",") if in_id else [str(one) for one in given] if isinstance(given, list) else []
    urls = [render_text(text.strip(), {}, context).rstrip("/") for text in texts if text.strip()]
    if not urls:
        raise InputError(Problem(f"provider {spec.id!r}: no experts: {_EXPECTED}", place_of(spec)))
    if in_id and any("@" in url for url in urls):
        # An id is printed and stored; a config's URLs are not.
        text = f"provider {spec.id.partition(':')[0]!r}: a URL in its id carries a login"
        raise InputError(Problem(text, place_of(spec), "put the URLs into the config: pool:MODEL with `urls`"))
    problems = [
        Problem(f"provider {spec.id!r}: {safe_url(url)!r}: expected http://HOST:PORT/v1 or https://...", _at(spec))
        for url in urls
        if not _is_url(url)
    ]
    if problems:
        raise InputError(problems)
    return ListedMembers(tuple(dict.fromkeys(urls)))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port raises ValueError for one that is none.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _at(spec: ProviderSpec) -> Location | None:
    return place_of(spec, "urls") if "urls" in spec.config else place_of(spec)


def _consul(spec: ProviderSpec, context: ProviderContext, rest: str, options: Mapping[str, list[str]]) -> ConsulMembers:
    service = rest.removeprefix(_CONSUL)
    if not service:
        raise InputError(Problem(f"provider {spec.id!r}: no service: {_EXPECTED}", place_of(spec)))
    if "urls" in spec.config:
        text = f"provider {spec.id!r}: `urls` and a service of Consul: use one"
        raise InputError(Problem(text, place_of(spec, "urls")))
    scheme = options.get("scheme", ["http"])[-1]
    if scheme not in ("http", "https"):
        raise InputError(Problem(f"provider {spec.id!r}: scheme={scheme!r}: expected http or https", place_of(spec)))
    path = "/" + options.get("path", ["v1"])[-1].strip("/")
    tags = frozenset(tag for tag in options.get("tag", ()) if tag)
    return ConsulMembers(consul_of(context.env), service, tags, scheme, path.rstrip("/"))
