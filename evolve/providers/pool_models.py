"""What the experts of a pool serve, by `/v1/models`, and whether it is one and the same model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.core.model.errors import HttpFault, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.providers.replies import items, mapping
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpCall, HttpReply, accept_json

_WEIGHTS = ("n_params", "size", "n_vocab", "n_embd")
"""llama.cpp's numbers of a model's file: the same name with another quantization differs in them."""
_SHOWN = 5
"""Models of one expert that a message names."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of an expert's list."""

    id: str
    names: frozenset[str]
    """The id and its aliases."""
    weights: tuple[JsonValue, ...]
    """Empty where the expert does not say."""

    def is_like(self, other: "ServedModel") -> bool:
        """Return whether both may be the same model: a name in common, and no number that differs."""
        return bool(self.names & other.names) and (
            not self.weights or not other.weights or self.weights == other.weights
        )

    def __str__(self) -> str:
        size = self.weights[1] if self.weights else None
        return f"{self.id} ({size:,} bytes)" if isinstance(size, int) else self.id


Served = tuple[ServedModel, ...]


def read_models(call: HttpCall, reply: HttpReply) -> Served:
    """Return the models of a reply to `GET /v1/models`; raises as `accept_json` does, HttpFault for another reply."""
    listed = items(mapping(accept_json(call, reply)).get("data"))
    found = tuple(_model(mapping(one)) for one in listed if mapping(one).get("id"))
    if not found:
        text = f"{call.name}: the reply lists no models"
        raise HttpFault(text, call=call.name, status=reply.status, hint="check that the URL ends in /v1")
    return found


def _model(one: Mapping[str, JsonValue]) -> ServedModel:
    name = str(one["id"])
    meta = mapping(one.get("meta"))
    weights = tuple(meta.get(key) for key in _WEIGHTS) if meta else ()
    aliases = (alias for alias in items(one.get("aliases")) if isinstance(alias, str))
    return ServedModel(name, frozenset({name, *aliases}), weights if any(weights) else ())


def agreed_model(served: Mapping[str, Served], wanted: str, where: Location | None = None) -> ServedModel:
    """Return the one model that all experts serve.

    Args:
        served: what each expert lists, by its URL; at least one.
        wanted: the name that the user gave; empty where each expert must serve exactly one model.
        where: the provider's place in the suite, for messages.

    Raises:
        InputError: the experts differ, or one serves several models and none was named.
    """
    chosen = {url: _chosen(url, models, wanted, where) for url, models in served.items()}
    first = next(iter(chosen.values()))
    if first is None or any(one is None or not one.is_like(first) for one in chosen.values()):
        raise InputError(_mixed(served, wanted, where))
    # The one that says most about its file, so that later experts are compared with it.
    return next((one for one in chosen.values() if one is not None and one.weights), first)


def serves(models: Sequence[ServedModel], model: ServedModel) -> bool:
    """Return whether an expert that lists these models serves this one."""
    return any(one.is_like(model) for one in models)


def _chosen(url: str, models: Served, wanted: str, where: Location | None) -> ServedModel | None:
    if wanted:
        return next((one for one in models if wanted in one.names), None)
    if len(models) > 1:
        text = f"the expert {safe_url(url)} serves {len(models)} models: {_listed(models)}"
        raise InputError(Problem(text, where, f"name one: model: {models[0].id}, or ?model={models[0].id} in the id"))
    return models[0]


def _mixed(served: Mapping[str, Served], wanted: str, where: Location | None) -> Problem:
    by_expert = "; ".join(f"{safe_url(url)} serves {_listed(models)}" for url, models in served.items())
    asked = f"expected {wanted!r} on each expert" if wanted else "expected one model on all experts of a run"
    hint = "list only experts with the same model, or give each model's service a tag: pool:consul:SERVICE?tag=TAG"
    return Problem(f"a pool of mixed models is refused: {asked}, but {by_expert}", where, hint)


def _listed(models: Sequence[ServedModel]) -> str:
    more = f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
    return ", ".join(str(model) for model in models[:_SHOWN]) + more
