"""Blocking queries: a read with an index is answered when something newer is there, or when its time is over."""

from __future__ import annotations

import json
import random
import re
import time

from .answers import READ, Act, Answer, Refused, Request
from .state import State

DEFAULT_S, LONGEST_S = 300.0, 600.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_for_news(state: State, act: Act, request: Request) -> Answer:
    """The answer, at once or when it is newer than the request's index; call it while holding the state's lock."""
    if request.method != "GET" or not ("index" in request.query or "wait" in request.query):
        return act(request)
    first = _answered(act, request)
    if first.kind != READ:
        return first
    index, left_s = _index(request.query.get("index", "0")), _seconds(request.query.get("wait", ""))
    if not index or _of(first, state) > index:
        return first
    deadline = time.monotonic() + left_s * (1 + random.random() / 16)
    before = _text(first)
    while time.monotonic() < deadline:
        state.changed.wait(deadline - time.monotonic())
        now = _answered(act, request)
        if _of(now, state) > index and _text(now) != before:
            return now
    return _answered(act, request)


def _answered(act: Act, request: Request) -> Answer:
    try:
        return act(request)
    except Refused as refused:
        return refused.answer


def _of(answer: Answer, state: State) -> int:
    return state.index if answer.index is None else answer.index


def _text(answer: Answer) -> str:
    """The answer as a text of its own: its body is made of records that go on changing."""
    return json.dumps([answer.status, answer.body])


def _index(text: str) -> int:
    if not text.isdigit():
        raise Refused(400, "Invalid index")
    return int(text)


def _seconds(text: str) -> float:
    if not text:
        return DEFAULT_S
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if found is None:
        raise Refused(400, "Invalid wait time")
    return min(LONGEST_S, float(found[1]) * UNITS[found[2]])
