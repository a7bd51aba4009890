"""Keys of a test that are one level too deep, where they would have no effect.

Vars and metadata belong to the user, so only what is hardly meant as data is refused there: a list of assertions, or a
mapping of a test's options. Options that are not ours go to the provider, and no provider has settings of these names.
"""

from collections.abc import Callable, Mapping
from typing import Any

from evolve.core.assertions import find_type
from evolve.core.formats.schema_check import Path, Reporter
from evolve.core.text.did_you_mean import closest

_ASSERT = ("assert", "assertions")
_OPTIONS = frozenset((
    "transform", "transformVars", "storeOutputAs", "disableVarExpansion", "disableDefaultAsserts",
    "disableConversationVar", "rubricPrompt", "postprocess",
))  # fmt: skip
"""Options of a test whose names are used only there."""


def check_vars(value: Mapping[str, Any], path: Path, report: Reporter) -> None:
    """Report keys under `vars` that are certainly not variables."""
    _check(value, path, report, "vars", {"options": _are_options})


def check_metadata(value: Mapping[str, Any], path: Path, report: Reporter) -> None:
    """Report keys under `metadata` that are certainly not metadata."""
    _check(value, path, report, "metadata", {"options": _are_options})


def check_options(value: Mapping[str, Any], path: Path, report: Reporter) -> None:
    """Report a test's own keys among its options."""
    own: Mapping[str, Callable[[Any], bool]] = {
        "vars": lambda part: isinstance(part, dict),
        "threshold": lambda part: isinstance(part, int | float) and not isinstance(part, bool),
        "assertScoringFunction": lambda part: isinstance(part, str),
    }
    _check(value, path, report, "options", own)


def _check(
    value: Mapping[str, Any], path: Path, report: Reporter, where: str, own: Mapping[str, Callable[[Any], bool]]
) -> None:
    for key, part in value.items():
        if _are_assertions(key, part):
            hint = f"move it out of {where}, one level up, as `assert`"
            if where != "options":
                hint += f"; if the list is data, give it another name than {key!r}"
            report((*path, key), f"assertions under {where!r} are never checked", hint, "refused key")
        elif key in own and own[key](part):
            message = f"{key!r} under {where!r} has no effect"
            report((*path, key), message, f"move it out of {where}, one level up", "refused key")


def _are_assertions(key: str, value: Any) -> bool:
    """Return whether a key that is, or looks like, `assert` holds a list of assertions."""
    if not isinstance(value, list) or not value or not all(_is_assertion(part) for part in value):
        return False
    return key in _ASSERT or closest(str(key), _ASSERT) is not None


def _is_assertion(value: Any) -> bool:
    name = value.get("type") if isinstance(value, dict) else None
    return isinstance(name, str) and (name == "assert-set" or find_type(name.removeprefix("not-")) is not None)


def _are_options(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.keys() & _OPTIONS)
