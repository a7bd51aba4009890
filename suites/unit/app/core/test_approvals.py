import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipecatapp.core.approvals import LASTS_S, Approvals, UnknownApproval, digest_of
from pipecatapp.core.ports import ToolCall

CALL = ToolCall("c1", "ssh", {"host": "a", "command": "reboot"})


@pytest.fixture
def approvals():
    numbers = itertools.count()
    return Approvals(lambda: f"id-{next(numbers)}")


def test_an_approved_call_runs_once(approvals):
    id = approvals.ask("s", CALL, 0.0).id
    approvals.decide(id, "s", 1.0, is_approved=True)
    assert approvals.redeem(id, "s", ToolCall("another-id", CALL.tool, CALL.arguments), 2.0)
    assert not approvals.redeem(id, "s", CALL, 2.0)


def test_without_a_decision_nothing_runs(approvals):
    id = approvals.ask("s", CALL, 0.0).id
    assert not approvals.redeem(id, "s", CALL, 1.0)
    with pytest.raises(UnknownApproval):
        approvals.decide(id, "s", 1.0, is_approved=True)


def test_a_denied_call_never_runs(approvals):
    id = approvals.ask("s", CALL, 0.0).id
    approvals.decide(id, "s", 1.0, is_approved=False)
    assert not approvals.redeem(id, "s", CALL, 1.0)
    with pytest.raises(UnknownApproval):
        approvals.decide(id, "s", 1.0, is_approved=True)


@pytest.mark.parametrize(
    ("session", "call"),
    [
        ("other", CALL),
        ("s", ToolCall("c1", "ssh", {"host": "b", "command": "reboot"})),
        ("s", ToolCall("c1", "ha", CALL.arguments)),
        ("s", ToolCall("c1", "ssh", {"host": "a"})),
    ],
    ids=["session", "argument", "tool", "fewer arguments"],
)
def test_it_is_for_exactly_one_call_of_one_session(approvals, session, call):
    id = approvals.ask("s", CALL, 0.0).id
    approvals.decide(id, "s", 1.0, is_approved=True)
    assert not approvals.redeem(id, session, call, 2.0)
    assert not approvals.redeem(id, "s", CALL, 2.0), "it is used up"


def test_only_its_own_session_decides(approvals):
    id = approvals.ask("s", CALL, 0.0).id
    with pytest.raises(UnknownApproval):
        approvals.decide(id, "other", 1.0, is_approved=True)
    approvals.decide(id, "s", 1.0, is_approved=True)
    with pytest.raises(UnknownApproval):
        approvals.decide(id, "s", 1.0, is_approved=False)


def test_after_a_minute_it_is_over(approvals):
    early, late = approvals.ask("s", CALL, 0.0).id, approvals.ask("s", CALL, 0.0).id
    approvals.decide(early, "s", LASTS_S - 1, is_approved=True)
    with pytest.raises(UnknownApproval):
        approvals.decide(late, "s", LASTS_S, is_approved=True)
    assert not approvals.redeem(early, "s", CALL, LASTS_S)


def test_parts_of_a_digest_cannot_be_moved():
    assert digest_of("s1", ToolCall("", "x", {})) != digest_of("s", ToolCall("", "1x", {}))
    assert digest_of("s", ToolCall("", "x", {"a": 1, "b": 2})) == digest_of("s", ToolCall("", "x", {"b": 2, "a": 1}))


class ApprovalStates(RuleBasedStateMachine):
    """Beside a plain table: what was asked, by whom, what was decided, and when."""

    def __init__(self):
        super().__init__()
        numbers = itertools.count()
        self.approvals = Approvals(lambda: f"id-{next(numbers)}")
        self.now = 0.0
        self.table = {}
        self.ran = []

    @rule(session=st.sampled_from("ab"), command=st.sampled_from("xy"))
    def ask(self, session, command):
        call = ToolCall("", "ssh", {"command": command})
        id = self.approvals.ask(session, call, self.now).id
        assert id not in self.table
        self.table[id] = [session, call, self.now + LASTS_S, "asked"]

    @rule(data=st.data(), session=st.sampled_from("ab"), is_approved=st.booleans())
    def decide(self, data, session, is_approved):
        id = data.draw(st.sampled_from(["unknown", *self.table]))
        row = self.table.get(id)
        may = row is not None and row[0] == session and row[3] == "asked" and self.now < row[2]
        if may:
            self.approvals.decide(id, session, self.now, is_approved=is_approved)
            row[3] = "approved" if is_approved else "over"
        else:
            with pytest.raises(UnknownApproval):
                self.approvals.decide(id, session, self.now, is_approved=is_approved)

    @rule(data=st.data(), session=st.sampled_from("ab"), command=st.sampled_from("xy"))
    def redeem(self, data, session, command):
        id = data.draw(st.sampled_from(["unknown", *self.table]))
        call = ToolCall("", "ssh", {"command": command})
        row = self.table.get(id)
        may = row is not None and row[:2] == [session, call] and row[3] == "approved" and self.now < row[2]
        assert self.approvals.redeem(id, session, call, self.now) == may
        if may:
            self.ran.append(id)
        if row is not None:
            row[3] = "over"

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def nothing_runs_twice(self):
        assert len(self.ran) == len(set(self.ran))


TestApprovalStates = ApprovalStates.TestCase
TestApprovalStates.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
