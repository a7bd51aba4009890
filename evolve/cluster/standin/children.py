"""Children of parameterized and periodic jobs."""

from __future__ import annotations

import base64
import binascii
import copy

from .answers import Refused
from .cron import next_launch
from .scheduling import evaluate
from .shapes import SECOND, Json, new_id
from .state import State
from .storing import store

LARGEST_PAYLOAD = 16384


def dispatch(state: State, parent: Json | None, given: Json, token: str) -> Json:
    """Starts a child with a payload and meta; a token that was used before names the child of that time."""
    if parent is None:
        raise Refused(500, "parameterized job not found")
    _check(parent, given)
    known = [one for one in state.jobs.values() if one["ParentID"] == parent["ID"]]
    earlier = [one for one in known if token and one["DispatchIdempotencyToken"] == token]
    if earlier:
        created = earlier[0]["CreateIndex"]
        answer = {"DispatchedJobID": earlier[0]["ID"], "EvalCreateIndex": 0, "EvalID": "", "JobCreateIndex": created}
        return {**answer, "Index": state.index}
    job_id = f"{parent['ID']}/dispatch-{state.clock.now_ns() // SECOND}-{new_id()[:8]}"
    more = {"Dispatched": True, "DispatchIdempotencyToken": token, "Payload": given.get("Payload")}
    meta = {**(parent["Meta"] or {}), **(given.get("Meta") or {})}
    child = _child(state, parent, job_id, {**more, "Meta": meta or None})
    record = evaluate(state, child, "job-register")
    index = record["CreateIndex"]
    answer = {"DispatchedJobID": job_id, "EvalCreateIndex": index, "EvalID": record["ID"], "Index": index}
    return {**answer, "JobCreateIndex": child["CreateIndex"]}


def _child(state: State, parent: Json, job_id: str, more: Json) -> Json:
    fresh = {**copy.deepcopy(parent), "ID": job_id, "Name": job_id, "ParentID": parent["ID"], **more}
    return store(state, {**fresh, "Status": "pending", "Stop": False}, None)


def _check(parent: Json, given: Json) -> None:
    rules = parent["ParameterizedJob"]
    if rules is None:
        raise Refused(500, f'Specified job "{parent["ID"]}" is not a parameterized job')
    if parent["Stop"]:
        raise Refused(500, f'Specified job "{parent["ID"]}" is stopped')
    _check_payload(rules.get("Payload") or "optional", given.get("Payload") or "")
    meta = given.get("Meta") or {}
    required = rules.get("MetaRequired") or []
    missing = [key for key in required if key not in meta]
    unknown = [key for key in meta if key not in [*required, *(rules.get("MetaOptional") or [])]]
    if unknown:
        raise Refused(500, f"Dispatch request included unpermitted metadata keys: [{' '.join(unknown)}]")
    if missing:
        raise Refused(500, f"Dispatch did not provide required meta keys: [{' '.join(missing)}]")


def _check_payload(rule: str, text: str) -> None:
    try:
        payload = base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise Refused(400, "illegal base64 data at input byte 0") from fault
    if rule == "required" and not payload:
        raise Refused(500, "Payload is not provided but required by parameterized job")
    if rule == "forbidden" and payload:
        raise Refused(500, "Payload is not allowed for parameterized job")
    if len(payload) > LARGEST_PAYLOAD:
        raise Refused(500, f"Payload exceeds maximum size; {len(payload)} > {LARGEST_PAYLOAD}")


def force(state: State, parent: Json | None) -> Json:
    """Starts a child of a periodic job now, whatever runs already; two within a second are one child."""
    if parent is None:
        raise Refused(500, "job not found")
    if parent["Periodic"] is None:
        raise Refused(500, "can't force launch non-periodic job")
    record = _launch(state, parent, state.clock.now_ns() // SECOND)
    return {"EvalCreateIndex": record["CreateIndex"], "EvalID": record["ID"], "Index": record["CreateIndex"]}


def launch_due(state: State, now: int) -> None:
    """Starts a child of each periodic job whose time has come; times that passed without a server are left out."""
    at = now // SECOND
    for parent in [one for one in state.jobs.values() if one["Periodic"] is not None]:
        rules = parent["Periodic"]
        if parent["Stop"] or not rules.get("Enabled", True):
            state.launches.pop(parent["ID"], None)
            continue
        version, due = state.launches.get(parent["ID"], (-1, None))
        if version != parent["JobModifyIndex"]:
            due = next_launch(rules, at)
        elif due is not None and due <= at:
            if not (rules.get("ProhibitOverlap") and _has_live_child(state, parent)):
                _launch(state, parent, due)
            due = next_launch(rules, at)
        state.launches[parent["ID"]] = (parent["JobModifyIndex"], due)


def _launch(state: State, parent: Json, at: int) -> Json:
    job_id = f"{parent['ID']}/periodic-{at}"
    child = state.jobs.get(job_id) or _child(state, parent, job_id, {"Periodic": None})
    return evaluate(state, child, "periodic-job")


def _has_live_child(state: State, parent: Json) -> bool:
    return any(one["Status"] != "dead" for one in state.jobs.values() if one["ParentID"] == parent["ID"])
