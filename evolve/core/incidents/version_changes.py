"""Finds what a job's current version changed since its last healthy one."""

from collections.abc import Iterator, Mapping

from evolve.core.incidents.reading import number, text
from evolve.core.model.incidents import JsonFields, VersionChange
from evolve.core.model.json_value import JsonValue

BOOKKEEPING = frozenset(
    {
        "CreateIndex", "JobModifyIndex", "ModifyIndex", "NomadTokenID", "Stable", "Status", "StatusDescription",
        "SubmitTime", "Version", "VersionTag",
    }
)  # fmt: skip
"""Fields that say nothing about what runs."""
_SHOWN = frozenset({"CPU", "Cores", "Count", "Driver", "MemoryMB", "MemoryMaxMB", "SizeMB", "image"})
"""Fields whose values are no secrets. Of all others, arguments and templates too, only the name is given."""


def changes_since_healthy(versions: tuple[JsonFields, ...], version: int) -> tuple[VersionChange, ...]:
    """Return the fields that differ between a version and the newest earlier one that was stable.

    Args:
        versions: as Nomad keeps them, in any order.
        version: the number of the version that runs.
    """
    now = next((one for one in versions if number(one, "Version") == version), None)
    earlier = [one for one in versions if number(one, "Version") < version and one.get("Stable") is True]
    if now is None or not earlier:
        return ()
    before, after = _flat(max(earlier, key=lambda one: number(one, "Version"))), _flat(now)
    different = (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))
    changes = (_change(name, before.get(name), after.get(name)) for name in different)
    # Those that say more come first: the agent reads the beginning of the list only.
    return tuple(sorted(changes, key=lambda change: change.before is None and change.after is None))


def _change(name: str, before: JsonValue, after: JsonValue) -> VersionChange:
    if name.rpartition(".")[2] not in _SHOWN:
        return VersionChange(name)
    return VersionChange(name, _scalar(before), _scalar(after))


def _scalar(value: JsonValue) -> str | int | float | None:
    return value if isinstance(value, str | int | float) else None


def _flat(job: JsonFields) -> dict[str, JsonValue]:
    return dict(_leaves({key: value for key, value in job.items() if key not in BOOKKEEPING}, ""))


def _leaves(value: JsonValue | JsonFields, path: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and all(isinstance(item, Mapping) and text(item, "Name") for item in value):
        # Groups and tasks are found again by their names, so that their order means nothing and the path is short.
        parent = path.rpartition(".")[0]
        for item in value:
            if isinstance(item, Mapping):
                inner = {key: part for key, part in item.items() if key != "Name"}
                yield from _leaves(inner, f"{parent}.{text(item, 'Name')}".removeprefix("."))
    elif value is not None:
        yield path, value
