"""A run's identity as reports write it."""

from datetime import UTC, datetime

from evolve.core.model.events import RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.core.model.run_identity import RunIdentity
from evolve.report.short_text import shown_path


def run_row(identity: RunIdentity) -> dict[str, JsonValue]:
    """Return the facts about a run that every row of it shares."""
    commit = identity.commit
    return {
        "id": identity.id,
        "startedAt": iso_date(identity.started_s),
        "commit": commit.id if commit else None,
        "hasUncommittedChanges": commit.has_changes if commit else None,
        "configHash": identity.config_hash,
    }


def run_document(run: RunFinished) -> dict[str, JsonValue]:
    """Return the facts about a run with its suites; empty for a run without identity."""
    if run.identity is None:
        return {}
    suites: list[JsonValue] = [
        {"path": shown_path(path), "configHash": found} for path, found in run.identity.suite_hashes.items()
    ]
    return {**run_row(run.identity), "suites": suites}


def run_properties(run: RunFinished) -> dict[str, str]:
    """Return the facts as names and texts, for formats that have only these; empty for a run without identity."""
    return identity_properties(run.identity) if run.identity is not None else {}


def identity_properties(identity: RunIdentity) -> dict[str, str]:
    """Return the facts that every row of a run shares, as names and texts."""
    facts = run_row(identity)
    names = {"id": "run_id", "startedAt": "run_started", "commit": "git_commit", "configHash": "config_hash"}
    found = {name: str(facts[key]) for key, name in names.items() if facts[key] is not None}
    return found | ({"git_uncommitted_changes": "true"} if facts["hasUncommittedChanges"] else {})


def iso_date(seconds: float) -> str:
    """Return a time since the epoch in ISO 8601, UTC, to the millisecond, as promptfoo writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
