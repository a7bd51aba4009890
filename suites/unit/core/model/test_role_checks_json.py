"""Results of checks survive the way through JSON, as pytest-xdist sends them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine, from_json, to_json

TEXT = st.text(max_size=20)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
TASKS = st.builds(
    TaskLine,
    host=TEXT,
    role=TEXT,
    task=TEXT,
    path=TEXT,
    line=st.integers(0, 999),
    action=TEXT,
    status=TEXT,
    seconds=st.floats(0, 99),
    items=TEXTS,
    message=TEXT,
    diff=TEXT,
    is_handler=st.booleans(),
    notified=TEXTS,
    written=TEXTS,
)
RESULTS = st.builds(
    CheckResult,
    role=TEXT,
    release=TEXT,
    check=st.sampled_from(Check),
    outcome=st.sampled_from(CheckOutcome),
    reason=TEXT,
    notes=TEXTS,
    evidence=st.dictionaries(TEXT, TEXT, max_size=3),
    seconds=st.floats(0, 99),
    tasks=st.lists(TASKS, max_size=3).map(tuple),
)


@given(RESULTS)
def test_a_result_survives_json(result: CheckResult) -> None:
    assert from_json(json.loads(json.dumps(to_json(result)))) == result
